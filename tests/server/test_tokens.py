"""Token tables: strict reading, and no message contains a token."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from vectra_bot.errors import ConfigError, InputError
from vectra_bot.server import Login, TokenTable, read_tokens
from vectra_bot.server.tokens import MAX_TOKEN_LENGTH, derived_player_id

SECRET = "a-very-secret-token"


def written(folder: Path, text: str, name: str = "tokens.toml", mode: int = 0o600) -> Path:
    """Write a token file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_file_names_players_by_token(tmp_path: Path) -> None:
    """TOML and JSON say the same; what a player does not have gets a default."""
    toml = f"""
    [[players]]
    token = "{SECRET}"
    player_id = "did:privy:alice"
    username = "alice"
    cash = "2.5"
    bonus = 0.5
    level = 30
    [[players]]
    token = "other"
    """
    rows = [
        {"token": SECRET, "player_id": "did:privy:alice", "username": "alice", "cash": 2.5,
         "bonus": "0.5", "level": 30},
        {"token": "other"},
    ]  # fmt: skip

    players = read_tokens(written(tmp_path, toml))
    same = read_tokens(written(tmp_path, json.dumps({"players": rows}), "tokens.json"))

    assert players == same
    assert players[SECRET] == Login(
        player_id="did:privy:alice",
        username="alice",
        cash=2_500_000_000,
        bonus=500_000_000,
        level=30,
    )
    assert players["other"] == Login(player_id=derived_player_id("other"))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A file that others can read is rejected; the message says what to do."""
    path = written(tmp_path, f'[[players]]\ntoken = "{SECRET}"\n', mode=mode)

    with pytest.raises(InputError, match="chmod 600"):
        read_tokens(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'[[players]]\ntoken = "{SECRET}', "is not valid TOML"),
        ("", "has no players"),
        ("players = 5", "has no players"),
        ("players = [1]", "player 1: was not a table"),
        (f'[[players]]\ntoken = "{SECRET}"\npassword = 1', "'password' is not known"),
        ("[[players]]\ntoken = 5", "token is invalid"),
        ('[[players]]\ntoken = ""', "token is invalid"),
        (f'[[players]]\ntoken = "{SECRET}"\ncash = "lots"', "cash was 'lots'"),
        (f'[[players]]\ntoken = "{SECRET}"\ncash = -1', "cash was -1"),
        (f'[[players]]\ntoken = "{SECRET}"\ncash = true', "cash was True"),
        (f'[[players]]\ntoken = "{SECRET}"\ncash = "0.0000000001"', "cash was"),
        (f'[[players]]\ntoken = "{SECRET}"\nlevel = 101', "level was 101"),
        (f'[[players]]\ntoken = "{SECRET}"\nusername = ""', "username was ''"),
        (f'[[players]]\ntoken = "{SECRET}"\nplayer_id = "a b"', "player_id was 'a b'"),
        (f'[[players]]\ntoken = "{SECRET}"\n[[players]]\ntoken = "{SECRET}"', "duplicate token"),
        (
            '[[players]]\ntoken = "a"\nplayer_id = "x"\n[[players]]\ntoken = "b"\nplayer_id = "x"',
            "duplicate player_id 'x'",
        ),
    ],
)
def test_a_wrong_file_is_refused_without_repeating_a_token(
    tmp_path: Path, text: str, says: str
) -> None:
    """Each mistake is named with its player and value; no token is shown."""
    with pytest.raises(ConfigError) as caught:
        read_tokens(written(tmp_path, text))

    assert says in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("token", "says"),
    [
        (f"{SECRET}\ud800", "token contains U+D800 at position 20"),
        (f"\udfff{SECRET}", "token contains U+DFFF at position 1"),
        (f"{SECRET}\0", "token contains U+0000"),
        (f"{SECRET}\r\nX: 1", "token contains U+000D"),
        (f"\ufeff{SECRET}", "token contains U+FEFF"),
        (SECRET * 500, "token is invalid"),
    ],
)
def test_a_token_that_no_client_could_send_is_refused(
    tmp_path: Path, token: str, says: str
) -> None:
    """Lone surrogates, control characters and too long tokens are named, not repeated."""
    text = json.dumps({"players": [{"token": token}]})
    with pytest.raises(ConfigError) as caught:
        read_tokens(written(tmp_path, text, "tokens.json"))
    named = json.dumps({"players": [{"token": "t", "username": token[:60]}]})

    assert says in str(caught.value)
    assert SECRET not in str(caught.value)
    if len(token) < 60:
        with pytest.raises(ConfigError, match="username contains U"):
            read_tokens(written(tmp_path, named, "tokens.json"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xef\xbb\xbf[[players]]", "byte order mark"),
        (b"[[players]]\ntoken = '\xff'", "not UTF-8"),
        (b"[[players]]\ntoken = '\xed\xa0\x80'", "not UTF-8"),
        (b"#" * (4 << 20) + b"##", "longer than 4194304 bytes"),
    ],
)
def test_a_file_that_is_not_plain_text_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    """Encoding and size are checked before anything is read from the text."""
    path = written(tmp_path, "")
    path.write_bytes(data)
    with pytest.raises(InputError, match=says):
        read_tokens(path)


def test_a_folder_and_a_pipe_are_not_token_files(tmp_path: Path) -> None:
    """Neither is read, and a pipe without a writer is not waited for."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "."):
        with pytest.raises(InputError, match=r"is not a file|cannot be read"):
            read_tokens(tmp_path / name)


def test_an_absent_file_is_an_error_of_the_path(tmp_path: Path) -> None:
    """A missing path is an error that says so."""
    with pytest.raises(InputError, match="check the path"):
        read_tokens(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "token", [None, 5, "", "x" * (MAX_TOKEN_LENGTH + 1), ["t"], {"token": "t"}]
)
def test_an_invalid_token_has_no_player(token: object) -> None:
    """Open login also needs a text of valid length."""
    assert TokenTable({"t": Login(player_id="x")}, open_login=True).find(token) is None


def test_guests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open login creates no accounts beyond its limit; known guests may reconnect."""
    monkeypatch.setattr("vectra_bot.server.tokens.MAX_GUESTS", 2)
    table = TokenTable(open_login=True)

    found = [table.find(token) is not None for token in ("a", "b", "c", "a")]

    assert found == [True, True, False, True]


def test_a_table_keeps_no_token() -> None:
    """Only digests are kept, so that no dump of the table shows a token."""
    table = TokenTable({SECRET: Login(player_id="x")})

    assert table.find(SECRET) == Login(player_id="x")
    assert SECRET not in repr(vars(table))
    assert len(table) == 1
