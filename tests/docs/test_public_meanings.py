"""docs/data/public.toml: each entry describes a member of a public class."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

from generate_python import public_names, resolve
from generate_text import data


def test_every_description_of_a_member_is_used() -> None:
    """No description is left of a member that is gone."""
    classes = {
        value.__name__: value for value in map(resolve, public_names()) if isinstance(value, type)
    }
    gone = [
        key
        for key in data("public")
        for owner, _, name in [key.partition(".")]
        if owner not in classes
        or (
            not hasattr(classes[owner], name)
            and name not in getattr(classes[owner], "__annotations__", {})
        )
    ]

    assert gone == []
