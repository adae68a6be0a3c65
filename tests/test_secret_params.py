"""Secret parameters: text for their class, and shown to nobody."""

from __future__ import annotations

import pickle
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vectra_bot import Strategy, configure, param
from vectra_bot.errors import ConfigError
from vectra_bot.params import settings_of
from vectra_bot.session import SessionConfig


class Base(Strategy):
    """Has no secret."""

    stake: Decimal = param("0.01", low="0.001", high="5", help="SOL")


class Secretive(Strategy):
    """Has a secret."""

    token: str = param(secret=True)
    other: str | None = param(None, secret=True)


def test_a_secret_is_text_for_its_class_and_for_nobody_else() -> None:
    """The class uses it as text; repr, stored settings and errors do not show it."""
    made = configure(Secretive, {"token": "s3cr3t-value"})

    assert made.token == "s3cr3t-value"
    assert f"Bearer {made.token}" == "Bearer s3cr3t-value"
    assert "s3cr3t" not in repr(made.token) + repr(vars(made))
    assert settings_of(made) == {"token": {"secret": "set"}, "other": None}
    assert pickle.loads(pickle.dumps(made.token)) == made.token
    assert "s3cr3t" not in repr(pickle.loads(pickle.dumps(made.token)))


@pytest.mark.parametrize(
    "value", [5, 12345678, ["s3cr3t"], {"a": "s3cr3t"}, b"s3cr3t", "s3cr3t\ud800"]
)
def test_a_wrong_secret_is_not_shown(value: Any) -> None:
    """The message names the parameter, what kind of value it was, and how to give it."""
    with pytest.raises(ConfigError) as caught:
        configure(Secretive, {"token": value})

    assert re.search(r"parameter 'token' was (of type \w+|plain text): give", str(caught.value))
    assert "token=env:NAME" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert "1234" not in str(caught.value)


def test_a_recorded_secret_has_a_placeholder() -> None:
    """A replay that lacks the value can still create the strategy, and is given no secret by accident."""
    made = configure(Secretive, settings_of(configure(Secretive, {"token": "s3cr3t-value"})))

    assert made.token == "secret not recorded"
    assert made.other is None


def test_a_secret_that_code_or_messages_would_show_is_refused() -> None:
    """A default in the code, a range, choices, or a type that is not text."""
    for kind, declared in {
        str: param("s3cr3t", secret=True),
        int: param(secret=True),
        str | None: param(None, choices=["a"], secret=True),
    }.items():
        namespace = {"__annotations__": {"token": kind}, "token": declared, "__module__": __name__}
        with pytest.raises(ConfigError, match="parameter 'token' is secret"):
            type("Bad", (Strategy,), namespace)


@pytest.mark.parametrize(
    ("name", "warns"),
    [
        ("token", True), ("api_key", True), ("apikey", True), ("bot_token", True), ("password", True),
        ("private_key", True), ("mnemonic", True), ("session_cookie", True), ("client_secret", True),
        ("WEBHOOK_URL", True), ("key", False), ("author", False), ("tokenizer", False), ("label", False),
    ],
)  # fmt: skip
def test_a_plain_parameter_with_the_name_of_a_secret_warns(
    name: str, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """When the class is loaded, once; a number of that name does not, nor a declared secret."""
    type("Plain", (Strategy,), {"__annotations__": {name: str}, name: "", "__module__": __name__})
    type("Number", (Strategy,), {"__annotations__": {name: int}, name: 1, "__module__": __name__})
    secret = {"__annotations__": {name: str}, name: param(secret=True), "__module__": __name__}
    type("Secret", (Strategy,), secret)

    assert len(caplog.records) == warns
    assert not warns or f"Plain parameter {name!r} has the name of a secret" in caplog.text


def test_python_gives_a_reference_or_the_secret_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dict names a variable or a file; a plain parameter takes no reference, since it is stored."""
    monkeypatch.setenv("A_TOKEN", "s3cr3t-value")
    config = SessionConfig(strategy=Secretive, settings={"token": {"env": "A_TOKEN"}})

    assert configure(Secretive, config.settings).token == "s3cr3t-value"
    assert "s3cr3t" not in repr(SessionConfig(strategy="x", settings={"token": "s3cr3t-value"}))
    with pytest.raises(ConfigError, match="'stake' is not secret"):
        configure(
            Base, SessionConfig(strategy="x", settings={"stake": {"env": "A_TOKEN"}}).settings
        )
    for bad in ({"env": "A", "file": "b"}, {"value": "s3cr3t"}, {"env": 5}, {}):
        with pytest.raises(ConfigError, match=r'\{ env = "NAME" \}') as caught:
            SessionConfig(strategy="x", settings={"token": bad})
        assert "s3cr3t" not in str(caught.value)
    with pytest.raises(ConfigError, match="NO_SUCH is not set"):
        configure(
            Secretive, SessionConfig(strategy="x", settings={"token": {"env": "NO_SUCH"}}).settings
        )
