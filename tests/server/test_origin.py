"""Host and Origin are read strictly: one spelling, one host."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.server.origin import Visitors, host_of, origin_host

NAMES = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{1,8}){0,2}\Z")


def visitors(host: str = "127.0.0.1") -> Visitors:
    """Return the check of a server that listens on *host*."""
    return Visitors(host, lambda: None)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8080", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]:65535", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
    ],
)
def test_a_host_is_a_name_or_an_address_with_a_port_or_none(text: str, host: str) -> None:
    """Case does not matter in a name, and an IPv6 address has one short form."""
    assert host_of(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "", ":80", "localhost:", "localhost:80x", "localhost:0", "localhost:65536", "localhost:+80",
        "localhost:8\u0660", "localhost.", "localhost..", ".localhost", "local host", " localhost",
        "localhost ", "localhost\t", "user@localhost", "user:pw@127.0.0.1:80", "localhost@evil.example",
        "localhost/", "localhost/x", "localhost?x", "localhost#x", "localhost\\", "localhost:80:80",
        "localhost,evil.example", "[::1", "::1", "::1]", "[::1]x", "[::1%25lo]", "[::1%lo]", "[]",
        "[127.0.0.1]", "-localhost", "local_host",
        "\u24db\u24de\u24d2alhost", "localho\u017ft", "localhost\0",
    ],
)  # fmt: skip
def test_a_lenient_spelling_is_refused(text: str) -> None:
    """What a lenient parser would read as a name of this machine is not one."""
    assert host_of(text) is None
    assert origin_host(f"http://{text}") is None
    assert not visitors().allow([text], [])


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "http://", "//localhost", "localhost", "http:localhost", "http:/localhost",
        "HTTP://localhost", "http://LOCALHOST", "ftp://localhost", "file://", "http://localhost/",
        "http://localhost http://evil.example", "http://localhost.evil.example", "https://rugs.fun.evil",
        "https://rugs.fun:444", "http://rugs.fun", "https://evil.example", "https://RUGS.fun",
    ],
)  # fmt: skip
def test_an_origin_that_no_page_of_this_machine_has_is_refused(origin: str) -> None:
    """Only what a browser sends for a page of this machine, or of the venue, is accepted."""
    assert not visitors().allow(["127.0.0.1:80"], [origin])


def test_a_page_of_this_machine_and_of_the_venue_may_connect() -> None:
    """On any port, by name or address; a public server also accepts pages of the same name."""
    for origins in (
        [], ["https://rugs.fun"], ["http://localhost:3000"], ["http://127.0.0.1"], ["https://[::1]:9"]
    ):  # fmt: skip
        assert visitors().allow(["localhost:8080"], origins)
    assert visitors("0.0.0.0").allow(["bots.example:80"], ["http://bots.example"])
    assert not visitors("0.0.0.0").allow(["bots.example"], ["http://evil.example"])


@pytest.mark.parametrize(
    ("hosts", "origins"),
    [
        ([], []),
        (["localhost", "localhost"], []),
        (["localhost", "evil.example"], []),
        (["localhost"], ["http://localhost", "http://evil.example"]),
        (["localhost"], ["https://rugs.fun", "https://rugs.fun"]),
    ],
)
def test_a_header_that_is_missing_or_repeated_is_refused(
    hosts: list[str], origins: list[str]
) -> None:
    """Two headers may be read differently by two programs."""
    assert not visitors().allow(hosts, origins)


@given(st.text(max_size=40))
def test_an_accepted_host_is_the_one_that_others_read(text: str) -> None:
    """Whatever is accepted has one reading, the same as the standard library's, without a user part."""
    found = host_of(text)
    if found is not None:
        parts = urlsplit(f"//{text}")
        assert parts.username is None
        assert parts.hostname is not None
        assert "@" not in text
        assert text.isascii()


@given(NAMES, st.one_of(st.none(), st.integers(1, 65_535)), st.text(min_size=1, max_size=8))
def test_text_around_a_host_does_not_make_it_local(name: str, port: int | None, more: str) -> None:
    """A name is read as itself; with text before or after, it is another host or none."""
    host = name if port is None else f"{name}:{port}"

    assert host_of(host) == name
    for text in (
        f"localhost{more}",
        f"{more}localhost",
        f"127.0.0.1{more}",
        f"{host}{more}localhost",
    ):
        allowed = visitors().allow([text], [])
        assert not allowed or urlsplit(f"//{text}").hostname in ("localhost", "127.0.0.1", "::1")
