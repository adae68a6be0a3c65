"""Where a token comes from: three places, each checked, and no message that contains the token."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from vectra_bot.errors import ConfigError, InputError, VectraError
from vectra_bot.redaction import redacted
from vectra_bot.venues import credentials
from vectra_bot.venues.credentials import LONGEST, Token, token_source

OPAQUE = "opaque-canary-5b1f"


def jwt(**claims: object) -> str:
    """Return an unsigned JWT with these claims."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'ES256'})}.{part(claims)}.{'s' * 43}"


def private(folder: Path, text: str, mode: int = 0o600) -> Path:
    """Write a token file."""
    path = folder / "live.token"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_variable_is_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place is safe to show, and a renewed value is used."""
    monkeypatch.setattr(credentials, "_taken", {})
    source = token_source("env:LINK_TEST_TOKEN")
    monkeypatch.setenv("LINK_TEST_TOKEN", f"  {OPAQUE}\n")
    first = source.read()
    monkeypatch.setenv("LINK_TEST_TOKEN", OPAQUE + "-2")

    assert source.where == "environment LINK_TEST_TOKEN"
    assert first == Token(OPAQUE)
    assert source.read().value == OPAQUE + "-2"
    assert (first.subject, first.expires_ns) == (None, None)


def test_a_variable_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken out of the environment, so that no process started here gets it; later reads find it."""
    monkeypatch.setattr(credentials, "_taken", {})
    monkeypatch.setenv("LINK_TEST_TOKEN", OPAQUE)
    first = token_source("env:LINK_TEST_TOKEN").read()
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(dict(os.environ))"],
        capture_output=True,
        text=True,
        check=True,
    )
    second = token_source("env:LINK_TEST_TOKEN").read()

    assert first == second == Token(OPAQUE)
    assert "LINK_TEST_TOKEN" not in child.stdout
    assert OPAQUE not in child.stdout
    assert "PATH" in child.stdout


def test_a_private_file_is_read_each_time(tmp_path: Path) -> None:
    """A renewed file is used; the end of its line is not part of the token."""
    path = private(tmp_path, OPAQUE + "\n")
    source = token_source(f"file:{path}")
    first = source.read().value
    path.write_text(OPAQUE + "-2", encoding="utf-8")

    assert source.where == f"file {path}"
    assert (first, source.read().value) == (OPAQUE, OPAQUE + "-2")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Mode 0600 or nothing; the message says what to do."""
    source = token_source(f"file:{private(tmp_path, OPAQUE, mode)}")

    with pytest.raises(InputError, match="chmod 600"):
        source.read()


def test_a_keyring_is_asked_by_service_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is imported when it is needed, and a password that is not there is named."""
    keyring = ModuleType("keyring")
    known = {("vectra-bot", "alice"): OPAQUE}
    keyring.get_password = lambda service, user: known.get((service, user))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)

    assert token_source("keyring:vectra-bot/alice").read().value == OPAQUE
    assert token_source("keyring:vectra-bot/alice").where == "keyring vectra-bot/alice"
    with pytest.raises(InputError, match="keyring vectra-bot/bob has no password"):
        token_source("keyring:vectra-bot/bob").read()


def test_a_keyring_that_fails_or_hangs_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises, and however long it asks its user, the session continues with an error."""
    keyring = ModuleType("keyring")

    def get_password(service: str, _user: str) -> str:
        if service == "locked":
            raise RuntimeError(OPAQUE)
        time.sleep(1.0)
        return OPAQUE

    keyring.get_password = get_password  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setattr(credentials, "_KEYRING_S", 0.05)

    with pytest.raises(InputError, match=r"locked/a cannot be read \(RuntimeError\)") as failed:
        token_source("keyring:locked/a").read()
    with pytest.raises(InputError, match=r"gave no answer within 0\.05 s"):
        token_source("keyring:slow/a").read()
    assert OPAQUE not in str(failed.value)


def test_a_missing_keyring_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core does not depend on it."""
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(ConfigError, match=r"pip install 'vectra-bot\[keyring\]'"):
        token_source("keyring:vectra-bot/alice").read()


@pytest.mark.parametrize(
    "spec",
    [
        "",
        OPAQUE,
        f"token:{OPAQUE}",
        f"env:{OPAQUE}",
        "env:",
        "file:",
        "file:~no-such-user-7q/live.token",
        "keyring:alice",
        "keyring:/alice",
        "keyring:vectra-bot/",
        jwt(sub="x"),
        f"env:{jwt(sub='x')}",
        f"file:{jwt(sub='x')}",
        f"Bearer {jwt(sub='x')}",
    ],
)
def test_what_names_no_place_is_refused_without_being_repeated(spec: str) -> None:
    """It may be the token itself."""
    with pytest.raises(ConfigError) as refused:
        token_source(spec)

    said = str(refused.value)
    assert "env:NAME, file:PATH or keyring:SERVICE/USER" in said
    assert OPAQUE not in said
    assert "eyJ" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "was empty"),
        ("   \n", "was empty"),
        (f"Bearer {OPAQUE}", "without `Bearer`"),
        (f"{OPAQUE}\n{OPAQUE}", "contains U+000A"),
        (f"{OPAQUE}\0", "contains U+0000"),
        (OPAQUE * 600, f"more than {LONGEST}"),
    ],
)
def test_what_cannot_be_a_token_is_refused_by_its_place(
    tmp_path: Path, text: str, says: str
) -> None:
    """One line with the place and what is wrong; the token is not in it."""
    source = token_source(f"file:{private(tmp_path, text)}")

    with pytest.raises(InputError) as refused:
        source.read()
    assert says in str(refused.value)
    assert str(tmp_path) in str(refused.value)
    assert OPAQUE not in str(refused.value)


def test_an_absent_token_is_named_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is not set and a file that is not there."""
    monkeypatch.setattr(credentials, "_taken", {})
    monkeypatch.delenv("LINK_TEST_TOKEN", raising=False)
    for spec, says in (
        ("env:LINK_TEST_TOKEN", "LINK_TEST_TOKEN is not set"),
        (f"file:{tmp_path}/none", "check the path"),
    ):
        with pytest.raises(VectraError, match=says):
            token_source(spec).read()


def test_a_jwt_says_whose_it_is_and_when_it_ends() -> None:
    """Both are read, not verified."""
    token = Token.of(jwt(sub="did:privy:a", exp=1_900_000_000), "a test")

    assert (token.subject, token.expires_ns) == ("did:privy:a", 1_900_000_000 * 10**9)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": 5, "exp": "soon"},
        {"sub": None, "exp": True},
        {"sub": ["a"], "exp": -1},
        {"sub": "a\nb", "exp": 1e300},
        {"exp": float("inf")},
    ],
)
def test_claims_of_other_shapes_say_nothing(claims: dict[str, object]) -> None:
    """A token with them is opaque."""
    token = Token.of(jwt(**claims), "a test")

    assert (token.subject, token.expires_ns) == (None, None)


@pytest.mark.parametrize(
    "text", ["a.b.c", "aaaa.%%%%.cccc", "aaaa.bbbb.cccc", f"aaaa.{'W' * 900}.c", "a..b"]
)
def test_what_only_looks_like_a_jwt_is_opaque(text: str) -> None:
    """Nothing is read from it, and nothing is raised."""
    token = Token.of(text, "a test")

    assert (token.value, token.subject, token.expires_ns) == (text, None, None)


def test_a_token_is_in_no_text(tmp_path: Path) -> None:
    """Neither its representation nor redacted text shows it."""
    source = token_source(f"file:{private(tmp_path, OPAQUE)}")
    token = source.read()

    assert OPAQUE not in repr(token)
    assert OPAQUE not in str(token)
    assert OPAQUE not in repr(source)
    assert OPAQUE not in redacted(f"log: {OPAQUE}")
