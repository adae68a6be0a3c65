"""``vectra-bot new``: writes a distribution with a strategy or a plugin, its test and its README."""

from __future__ import annotations

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import json_option, print_json

_EPILOG = """\b
Examples:
  vectra-bot new strategy my-bot && cd my-bot && pip install -e '.[test]' && pytest
  vectra-bot new plugin my-plugin --dir ~/plugins
"""


@click.command("new", epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("kind", type=click.Choice(["strategy", "plugin"]))
@click.argument("name")
@click.option("--dir", "folder", metavar="DIR", default=".", help="Write the folder NAME in DIR.")
@json_option
def new(kind: str, name: str, folder: str, as_json: bool) -> None:
    """Write a distribution that provides a strategy or a plugin called NAME.

    The new folder NAME has a pyproject.toml with the entry point, a package with the code, a test and a
    README. It can be installed, tested and run at once. An existing folder is never changed.
    """
    from pathlib import Path

    from vectra_bot.scaffold import Project, ProjectKind, write_project

    written = write_project(Project(ProjectKind(kind), name), Path(folder).expanduser())
    run = name if kind == "strategy" else "take-profit"
    then = [
        f"cd {written}",
        "pip install -e '.[test]'",
        "pytest",
        f"vectra-bot run {run} --games 5",
    ]
    if as_json:
        print_json({"kind": kind, "name": name, "folder": written, "next": then})
        return
    click.echo(f"wrote {written}\n\nnext:\n" + "\n".join(f"  {line}" for line in then))
