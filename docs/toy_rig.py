"""The other side of the toy venue, and the contract suite on both: ``python docs/toy_rig.py``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from toy_venue import QUEUE, ToyFeed, ToyGateway, ToyLink

from vectra_bot.clock import SessionClock
from vectra_bot.testing import VenueParts, VenueRig, check_venue

TOKEN = "toy-token-5b1f"  # noqa: S105 - it opens nothing
TICK = (
    '42["gameStateUpdate",{"gameId":"20260101-00000000000000aa","active":true,"rugged":false,'
    '"price":1,"tickCount":%d}]'
)


@asynccontextmanager
async def toy_rig(
    link_type: type[ToyLink] = ToyLink,
    feed_type: type[ToyFeed] = ToyFeed,
    gateway_type: type[ToyGateway] = ToyGateway,
) -> AsyncIterator[VenueRig]:
    """Serve a game that never rugs; yield the rig of a venue that trades on it."""
    arrived: list[str] = []
    connections: list[tuple[asyncio.StreamWriter, list[str]]] = []
    stopped: list[str] = []

    def write(text: str) -> None:
        writer, written = connections[-1]
        written.append(text)
        writer.write(text.encode() + b"\n")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append((writer, []))
        tick = 0
        while not writer.is_closing():
            with suppress(TimeoutError, OSError):
                async with asyncio.timeout(0.02):
                    line = (await reader.readline()).decode()
                    if not line:
                        writer.close()
                    elif request := re.match(r'42(\d+)\[.*"00-([0-9a-f]{32})-', line):
                        arrived.append(request[2])
                        write(f'43{request[1]}[{{"success":true}}]')
                    continue
            tick += 1
            write(TICK % tick)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def opened() -> VenueParts:
        connections.clear()
        stopped.clear()
        link = link_type(port, TOKEN, SessionClock())
        gateway = gateway_type(link, lambda: stopped[0] if stopped else None)
        return VenueParts(feed=feed_type(link), gateway=gateway, now_ns=link.clock.now_ns, link=link,
                          cut=link.cut)  # fmt: skip

    async def drop() -> None:
        connections[-1][0].transport.abort()

    async def flood(number: int) -> None:
        for each in range(number):
            write(f'42["flood",{each}]')

    async with server:
        yield VenueRig(open=opened, arrived=lambda: arrived, written=lambda: [w for _, w in connections],
                       drop=drop, flood=flood, queue_frames=QUEUE, stop=stopped.append,
                       secrets=(TOKEN,))  # fmt: skip


async def main() -> None:
    """Check the toy venue."""
    async with toy_rig() as rig:
        print(await check_venue(rig))


if __name__ == "__main__":
    asyncio.run(main())
