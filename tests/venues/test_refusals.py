"""Why a connection failed: each cause has its own words, and TLS is always verified."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.venues.live_kit import PING, Host
from tests.venues.scripted import ScriptedServer
from tests.venues.test_live import QUICK, items_until, says
from vectra_bot.errors import InputError
from vectra_bot.venues.live import LiveFeed
from vectra_bot.venues.patience import LiveSettings
from vectra_bot.venues.refusals import FailedAttempt, refusal

# aiohttp makes its TLS context when it is imported: which authority is trusted needs a separate process.
CONNECTS = """
import asyncio, sys
from vectra_bot.errors import InputError
from vectra_bot.venues.live import LiveFeed
from vectra_bot.venues.patience import LiveSettings

async def main():
    feed = LiveFeed(sys.argv[1], settings=LiveSettings(attempts=1, backoff_s=0.01))
    try:
        while True:
            await feed.next_item(0.1)
    except InputError as error:
        print(error)
    finally:
        await feed.aclose()

asyncio.run(main())
"""

TRADES = """
import asyncio, os, sys, threading
from tests.venues.live_kit import TOKEN, watched
from vectra_bot.venues.credentials import token_source
from vectra_bot.venues.link import LinkStage

async def main():
    os.environ["TLS_TOKEN"] = TOKEN
    async with watched(sys.argv[1], token_source("env:TLS_TOKEN")) as seen:
        venue = seen.venue
        await seen.until(lambda: venue.link.state is LinkStage.FRESH and seen.ticking())
        result = await venue.gateway.send(seen.command())
        wire = venue.feed.supervisor.connection.socket
        print(result.sent, result.reason, wire.waiting)
        await asyncio.sleep(0.2)
        thread = threading.Thread(target=venue.cut)
        thread.start()
        thread.join()
        print((await venue.gateway.send(seen.command())).reason)
        await seen.until(lambda: any(item.reason == "cut by a stop" for item in seen.links()))
        print(venue.link.state.value)

asyncio.run(main())
"""


def certificate(folder: Path, host: str, days_left: int) -> tuple[Path, Path]:
    """Write a self-signed certificate with its key; return the paths of both."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=30))
        .not_valid_after(now + dt.timedelta(days=days_left))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@asynccontextmanager
async def tls(files: tuple[Path, Path]) -> AsyncIterator[int]:
    """Serve TLS on loopback and yield the port; what comes through it is not answered."""
    context = context_of(files)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # failed handshakes
    server = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def context_of(files: tuple[Path, Path]) -> ssl.SSLContext:
    """Return a server's context with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


async def why(url: str) -> str:
    """Return why the first attempt to connect failed."""
    feed = LiveFeed(url, settings=LiveSettings(**QUICK, attempts=1))
    try:
        with pytest.raises(InputError) as caught:
            await items_until(feed, lambda _: False)
    finally:
        await feed.aclose()
    return str(caught.value)


async def trusting(files: tuple[Path, Path], url: str, code: str = CONNECTS) -> str:
    """Return what a process prints that trusts the certificate's signer."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, url,
        env={"SSL_CERT_FILE": str(files[0]), "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    return output.decode().strip()


async def test_n09_a_port_where_nothing_listens() -> None:
    """Refused, with the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        said = await why(f"http://127.0.0.1:{port}")

    assert "the connection was refused: " in said
    assert str(port) in said
    assert "\n" not in said


async def test_n09_an_untrusted_certificate(tmp_path: Path) -> None:
    """Nobody vouches for it: not connected, and no option changes that."""
    async with tls(certificate(tmp_path, "localhost", 30)) as port:
        said = await why(f"https://localhost:{port}")

    assert "the venue's TLS certificate is not trusted: self" in said


async def test_n09_an_expired_certificate(tmp_path: Path) -> None:
    """Its signer is trusted, and its time is over."""
    files = certificate(tmp_path, "localhost", -1)
    async with tls(files) as port:
        said = await trusting(files, f"https://localhost:{port}")

    assert "the venue's TLS certificate has expired" in said


async def test_n09_a_certificate_of_another_host(tmp_path: Path) -> None:
    """Valid, but not for the host of the address."""
    files = certificate(tmp_path, "other.example", 30)
    async with tls(files) as port:
        said = await trusting(files, f"https://localhost:{port}")

    assert "the venue's TLS certificate is not trusted: " in said
    assert "localhost" in said


async def test_n09_a_server_without_tls() -> None:
    """Https to a port that speaks something else is an error of TLS, and is not tried without."""
    async with ScriptedServer(says()) as host:
        said = await why(host.url.replace("http://", "https://"))

    assert "TLS failed: " in said
    assert host.queries == []


async def test_orders_and_cuts_work_over_tls(tmp_path: Path) -> None:
    """Login, order and cut, as with a venue; nothing is left in a buffer."""
    files, host = certificate(tmp_path, "localhost", 30), Host()
    async with ScriptedServer(host, tls=context_of(files)) as served:
        said = await trusting(files, served.url.replace("127.0.0.1", "localhost"), TRADES)
        heard = [text for text in served.peers[0].heard if not PING.fullmatch(text)]

    assert said.splitlines() == ["True None 0", "link: there is no connection", "DOWN"]
    assert [re.sub(r"^(42)\d*", r"\1", text)[:14] for text in heard] == [
        "40{}",
        '42["authentica',
        '42["buyOrder",',
    ]
    assert len(served.peers) == 1


async def test_n10_a_page_instead_of_the_venue() -> None:
    """A captive portal answers 200 with a page: the status is named, and another attempt follows."""
    async with ScriptedServer(says(), status=200, headers={"Content-Type": "text/html"}) as host:
        said = await why(host.url)

    assert "the venue answered 200 Invalid response status" in said


def test_n09_a_name_that_does_not_exist() -> None:
    """Its own words, whatever wrapped it."""
    key = aiohttp.client_reqrep.ConnectionKey("no.example", 443, True, True, None, None, None)
    unknown = OSError(socket.EAI_NONAME, "Name or service not known")
    error = ConnectionError("Connection error")
    error.__context__ = aiohttp.ClientConnectorDNSError(key, unknown)

    found = refusal(error, 600.0)

    assert found.reason.startswith("no host of that name was found: ")
    assert (found.wait_s, found.final) == (0.0, False)


def test_what_is_not_known_is_said_as_it_came() -> None:
    """A cause without its own words keeps its type and message."""
    assert refusal(ValueError("odd"), 600.0) == FailedAttempt("ValueError: odd")
