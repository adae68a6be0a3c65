"""The fault proxy does what it says to real connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from vectra_bot.errors import InputError
from vectra_bot.testing.faults.proxy import FaultProxy

TEXT = bytes(range(256)) * 40
PATIENCE_S = 20.0


@asynccontextmanager
async def echo(seed: int = 0) -> AsyncIterator[FaultProxy]:
    """Yield a proxy in front of a server that returns what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(PATIENCE_S), FaultProxy("127.0.0.1", port, seed) as proxy:
        yield proxy
    server.close()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def opened(proxy: FaultProxy) -> AsyncIterator[Streams]:
    """Yield a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def ask(proxy: FaultProxy, text: bytes = TEXT) -> bytes:
    """Return what comes back for *text* over a new connection."""
    async with opened(proxy) as (reader, writer):
        writer.write(text)
        return await reader.readexactly(len(text))


async def test_bytes_pass_unchanged_without_faults() -> None:
    async with echo() as proxy:
        assert await ask(proxy) == TEXT
        assert proxy.accepted == 1
        assert proxy.up.passed == proxy.down.passed == len(TEXT)


async def test_latency_is_added_each_way() -> None:
    async with echo() as proxy:
        proxy.up.latency_ms = proxy.down.latency_ms = 60
        began = time.monotonic()
        assert await ask(proxy, b"x") == b"x"
        assert time.monotonic() - began >= 0.12


async def test_slices_and_a_limited_rate_change_no_byte() -> None:
    async with echo() as proxy:
        proxy.up.slice_bytes = 7
        proxy.down.slice_bytes = 1000
        proxy.down.bytes_per_s = 200_000
        began = time.monotonic()
        assert await ask(proxy) == TEXT
        assert time.monotonic() - began >= 0.9 * len(TEXT) / 200_000 - 0.01


async def test_a_silent_way_delivers_later_and_a_discarding_one_never() -> None:
    async with echo() as proxy, opened(proxy) as (reader, writer):
        proxy.down.silent = True
        writer.write(b"held back")
        assert await nothing_arrives(reader)
        assert proxy.up.passed == len(b"held back")  # the server has it
        proxy.down.silent = False
        assert await reader.readexactly(9) == b"held back"
        proxy.up.discard = True
        writer.write(b"gone")
        assert await nothing_arrives(reader)
        proxy.up.clear()
        writer.write(b"next")
        assert await reader.readexactly(4) == b"next"


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_half_open_connection_loses_one_way_and_the_next_one_passes(way: str) -> None:
    async with echo() as proxy, opened(proxy) as (reader, writer):
        await greet((reader, writer))
        assert proxy.half_open(up=way == "up", down=way == "down") == 1
        writer.write(b"lost")
        assert await nothing_arrives(reader)
        assert (proxy.up.passed, proxy.down.passed) == ((1, 1) if way == "up" else (5, 1))
        assert await ask(proxy, b"next") == b"next"
        assert proxy.down.passed_s >= proxy.up.passed_s > 0


async def nothing_arrives(reader: asyncio.StreamReader) -> bool:
    """Return whether nothing is received for a tenth of a second."""
    try:
        async with asyncio.timeout(0.1):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def test_a_reset_and_a_close_are_seen_as_such() -> None:
    async with echo() as proxy:
        async with opened(proxy) as streams:
            await greet(streams)
            assert proxy.reset() == 1
            with pytest.raises(ConnectionResetError):
                await streams[0].read(1)
        async with opened(proxy) as streams:
            await greet(streams)
            assert proxy.close_connections() == 1
            assert await streams[0].read(1) == b""
        assert proxy.open_connections == 0


async def greet(streams: Streams) -> None:
    """Send and receive one byte, so that both connections are known to be open."""
    reader, writer = streams
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"


async def test_corruption_flips_one_bit_of_a_piece_and_follows_the_seed() -> None:
    got = []
    for seed in (1, 1, 2):
        async with echo(seed) as proxy:
            proxy.down.corrupt = 1.0
            proxy.down.slice_bytes = 512
            got.append(await ask(proxy, TEXT[:512]))
    assert got[0] == got[1] != got[2]
    flipped = [a ^ b for a, b in zip(got[0], TEXT, strict=False) if a != b]
    assert len(flipped) == 1
    assert flipped[0].bit_count() == 1


async def test_a_refused_connection_ends_at_once_and_the_next_one_passes() -> None:
    async with echo() as proxy:
        proxy.refusing = True
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await ask(proxy)
        proxy.refusing = False
        assert await ask(proxy) == TEXT


def test_only_loopback_is_served() -> None:
    with pytest.raises(InputError, match="loopback only"):
        FaultProxy("192.0.2.1", 80)
    with pytest.raises(InputError, match="async with"):
        _ = FaultProxy("127.0.0.1", 80).port
