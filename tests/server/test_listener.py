"""The server at its limits: connections, open files, requests that never end, bodies."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import subprocess
import sys
import time

import aiohttp
import pytest

from tests.server.raw_client import RawClient
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.server import ExchangeServer, ServerLimits

HALF = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
WHOLE = b"GET /none HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
QUICK = ServerLimits(request_s=1.0)


def config() -> ExchangeConfig:
    """Return a small exchange."""
    return ExchangeConfig(seed=7, crowd=0, past_games=10)


async def told(server: ExchangeServer, *pieces: bytes) -> bytes:
    """Send *pieces* one after another, and return all that the server says until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    answer = b""
    try:
        async with asyncio.timeout(20):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.02)
            while data := await reader.read(65_536):
                answer += data
    except ConnectionError:
        pass
    finally:
        writer.close()
    return answer


async def test_half_a_head_is_closed_and_a_client_stays() -> None:
    """Connections that send no whole request head end in time, the first one or a later one."""
    async with (
        ExchangeServer(config(), limits=QUICK, speed=20) as server,
        RawClient(server.url) as resident,
    ):
        await resident.join()
        answers = await asyncio.gather(
            told(server, b""), told(server, HALF), told(server, WHOLE, HALF)
        )
        count = len(resident.states())
        await resident.until(lambda: len(resident.states()) > count + 3)

    assert answers[:2] == [b"", b""]
    assert answers[2].startswith(b"HTTP/1.1 404")


async def test_half_a_body_is_answered() -> None:
    """A body that does not come is answered with 408, and the connection is closed."""
    head = b"POST /none HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"
    async with ExchangeServer(config(), limits=QUICK, paused=True) as server:
        answer = await told(server, head + b"half")

    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_long_poll_is_refused_and_a_slow_one_is_read_whole() -> None:
    """A POST of more than 64 KiB is answered with 413; one that comes in pieces is not cut."""
    async with (
        ExchangeServer(config(), speed=20) as server,
        aiohttp.ClientSession() as session,
    ):
        address = f"{server.url}/socket.io/?EIO=4&transport=polling"
        async with session.get(address) as response:
            sid = (await response.text()).partition('"sid":"')[2].partition('"')[0]
        async with session.post(f"{address}&sid={sid}", data="4" * 65_537) as response:
            too_long = response.status

        async def pieces() -> object:
            for piece in ("4", "0\x1e42", '7["pi', 'ng",{}]'):
                yield piece.encode()
                await asyncio.sleep(0.02)

        async with session.post(f"{address}&sid={sid}", data=pieces()) as response:
            read = response.status
        text = ""
        async with asyncio.timeout(20):
            while "437[" not in text:
                async with session.get(f"{address}&sid={sid}") as response:
                    text += await response.text()

    assert (too_long, read) == (413, 200)


async def test_connections_beyond_the_limit_are_answered_and_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit a connection gets 503; one line says how many, whatever their number."""
    monkeypatch.setattr("vectra_bot.server.app.SPARE", 0)
    async with (
        ExchangeServer(config(), limits=ServerLimits(clients=2), speed=20) as server,
        RawClient(server.url) as one,
        RawClient(server.url) as other,
    ):
        await one.join()
        await other.join()
        started = time.monotonic()
        with caplog.at_level(logging.WARNING, "vectra_bot.server"):
            answers = [await told(server) for _ in range(30)]
        seconds = time.monotonic() - started
        count = len(one.states())
        await one.until(lambda: len(one.states()) > count + 3)

    assert {answer[:12] for answer in answers} <= {b"HTTP/1.1 503", b""}
    assert b"HTTP/1.1 503" in {answer[:12] for answer in answers}
    assert server.counts.turned_away == 30
    assert 1 <= len(caplog.records) <= 1 + seconds
    assert "refused" in caplog.text


async def answer_of(client: socket.socket, port: int) -> bytes:
    """Connect a socket that exists already, and return what it is answered, "" if it is reset."""
    loop = asyncio.get_running_loop()
    client.setblocking(False)
    try:
        async with asyncio.timeout(20):
            await loop.sock_connect(client, ("127.0.0.1", port))
            return await loop.sock_recv(client, 100)
    except ConnectionError:
        return b""


async def test_without_a_free_descriptor_connections_are_refused_and_others_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The descriptor in reserve accepts and refuses; when files are free again, clients can connect."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with (
        ExchangeServer(config(), limits=QUICK, speed=20) as server,
        RawClient(server.url) as resident,
    ):
        await resident.join()
        clients = [socket.socket() for _ in range(20)]
        free = os.open(os.devnull, os.O_RDONLY)
        os.close(free)
        started = time.monotonic()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
            with caplog.at_level(logging.WARNING):
                answers = [await answer_of(client, server.port) for client in clients]
            count = len(resident.states())
            await resident.until(lambda: len(resident.states()) > count + 3)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for client in clients:
                client.close()
        async with RawClient(server.url) as later:
            await later.join()
    seconds = time.monotonic() - started

    assert {answer[:12] for answer in answers} <= {b"HTTP/1.1 503", b""}
    # Another part of the process may have closed a file meanwhile, which lets a client in.
    assert 15 <= server.counts.turned_away <= 20
    assert 1 <= len(caplog.records) <= 1 + seconds
    assert "Traceback" not in caplog.text


def test_the_soft_limit_of_open_files_is_raised() -> None:
    """The limit becomes what the connections need, never more than is allowed, and is never lowered."""
    code = (
        "import resource as r\n"
        "from vectra_bot.server.listener import raise_file_limit\n"
        "for soft, hard in ((64, 4096), (900, 4096), (64, 200)):\n"
        "    r.setrlimit(r.RLIMIT_NOFILE, (soft, hard))\n"
        "    print(raise_file_limit(500), r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[:3] == ["500 548", "500 900", "152 200"]
