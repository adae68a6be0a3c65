"""The link over real sockets: login, pings, every end, and what ends a session."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from pathlib import Path
from typing import Self

import pytest
from attrs import define, field

from tests.venues.live_kit import (
    CONFIRMED,
    PING,
    PLAYER,
    TOKEN,
    Host,
    Watched,
    quick,
    server,
    watched,
    written,
)
from tests.venues.scripted import JOINED, Peer, Script, ScriptedServer, tick
from tests.venues.test_credentials import jwt
from vectra_bot.clock import suspended_ns
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.models import Ack, ActionType, ConnectionChanged, Link, LoginStatus
from vectra_bot.testing.faults.proxy import FaultProxy
from vectra_bot.venues.credentials import Token
from vectra_bot.venues.link import LinkStage
from vectra_bot.venues.live import LiveVenue
from vectra_bot.wire.profile import parse_profile
from vectra_bot.wire.requests import decode_request

CORRECTED = '[login]\nevent = "logIn"\ntoken = "jwt"\n'


def stage(seen: Watched) -> LinkStage:
    """Return how far the link has come."""
    return seen.venue.link.state


def lost(seen: Watched) -> list[str]:
    """Return the reasons of the ends of connections."""
    return [item.reason for item in seen.links() if item.link is Link.DISCONNECTED]


def soon(**claims: object) -> str:
    """Return a JWT that ends so many seconds from now (``left_s``)."""
    return jwt(sub=PLAYER, exp=time.time() + float(str(claims["left_s"])))


async def test_the_login_goes_out_first_and_once(tmp_path: Path) -> None:
    """Trace object, then the token, right after the connection; the account is known when it is confirmed."""
    async with (
        ScriptedServer(Host()) as host,
        watched(host.url, written(tmp_path)) as seen,
    ):
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)
        heard = list(host.peers[0].heard)
        player = seen.venue.link.player_id

    request = decode_request(heard[1])
    assert heard[0] == "40{}"
    assert (request.event, request.ack_id, request.payload) == (
        "authenticate",
        None,
        {"token": TOKEN},
    )
    assert request.trace_id is not None
    assert player == PLAYER
    assert [event.player_id for event in seen.of(LoginStatus)] == [PLAYER]
    assert sum("authenticate" in text for text in heard) == 1


async def test_the_names_of_the_login_are_the_profile_s(tmp_path: Path) -> None:
    """A corrected profile changes the event and its key."""
    profile = parse_profile(CORRECTED)
    host = Host(confirm=False)
    async with (
        ScriptedServer(host) as served,
        watched(served.url, written(tmp_path), profile=profile) as seen,
    ):
        await seen.until(lambda: served.peers and len(served.peers[0].heard) > 1)
        text = served.peers[0].heard[1]

    assert text.startswith('42["logIn",{"__trace":true,"traceparent":"00-')
    assert json.loads(text[2:])[2] == {"jwt": TOKEN}


async def test_a_corrected_login_works_with_the_exchange_s_server(tmp_path: Path) -> None:
    """Both sides read the same profile."""
    profile = parse_profile(CORRECTED)
    async with (
        server(protocol=profile) as served,
        watched(served.url, written(tmp_path), profile=profile) as seen,
    ):
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)
        player = seen.venue.link.player_id

    assert player == PLAYER


async def test_pings_are_those_of_the_page(tmp_path: Path) -> None:
    """With ids from 1 and the previous round trip; their answers are not frames of the session."""
    async with (
        ScriptedServer(Host()) as host,
        watched(host.url, written(tmp_path), settings=quick(ping_s=0.05)) as seen,
    ):
        await seen.until(lambda: seen.venue.link.rtt_ms is not None)
        await seen.until(lambda: len(PING.findall(" ".join(host.peers[0].heard))) >= 3)
        found = PING.findall(" ".join(host.peers[0].heard))
        rtt_ms = seen.venue.link.rtt_ms

    assert [int(number) for number, _ in found[:3]] == [1, 2, 3]
    assert float(found[0][1]) == 0
    assert float(found[2][1]) > 0
    assert rtt_ms is not None
    assert 0 < rtt_ms < 5_000
    assert seen.of(Ack) == []


async def test_ids_go_on_over_connections(tmp_path: Path) -> None:
    """A later connection's ids are new, and the answer to an earlier one's request is dropped and counted."""

    async def first(peer: Peer) -> None:
        host = asyncio.create_task(Host(pongs=False)(peer))
        while not PING.search(" ".join(peer.heard)):  # noqa: ASYNC110 - the script has no event
            await asyncio.sleep(0.01)
        host.cancel()
        await peer.socket.close()

    second = Host(says=("431[]", '431[{"success":true}]', "43999[]"))
    async with (
        ScriptedServer(first, second) as host,
        watched(host.url, written(tmp_path), settings=quick(ping_s=0.05)) as seen,
    ):
        await seen.until(lambda: seen.venue.link.epoch == 2 and seen.of(Ack))
        await seen.until(lambda: PING.search(" ".join(host.peers[1].heard)))
        ids = [int(n) for n, _ in PING.findall(" ".join(host.peers[0].heard))]
        later = [int(n) for n, _ in PING.findall(" ".join(host.peers[1].heard))]
        stray = seen.venue.feed.counts.stray_acks

    assert min(later) == max(ids) + 1
    assert stray == 2
    assert [ack.ack_id for ack in seen.of(Ack)] == [999]


async def test_n04_unanswered_pings_end_the_link(tmp_path: Path) -> None:
    """Ticks still come, our requests do not arrive: the pings show it, and the link is rebuilt."""
    host = Host()
    settings = quick(ping_s=0.05, ping_lost_s=0.5)
    async with (
        ScriptedServer(host, Host()) as served,
        watched(served.url, written(tmp_path), settings=settings) as seen,
    ):
        await seen.until(lambda: seen.venue.link.rtt_ms is not None)
        host.pongs = False
        await seen.until(lambda: seen.venue.link.epoch == 2 and stage(seen) is LinkStage.FRESH)

    assert lost(seen)[0] == "no answer to our pings for 0.5 s"


async def test_n04_a_way_out_that_is_dead_ends_the_link(tmp_path: Path) -> None:
    """The same with what we send discarded in transit, while everything still arrives."""
    settings = quick(ping_s=0.1, ping_lost_s=0.6)
    async with server() as served, FaultProxy("127.0.0.1", served.port) as proxy:
        async with watched(proxy.url, written(tmp_path), settings=settings) as seen:
            await seen.until(lambda: seen.venue.link.rtt_ms is not None)
            proxy.up.silent = True
            await seen.until(lambda: lost(seen))
            proxy.up.clear()
            await seen.until(lambda: seen.venue.link.epoch == 2 and stage(seen) is LinkStage.FRESH)
        requests = served.counts.logins

    assert lost(seen)[0] == "no answer to our pings for 0.6 s"
    assert requests == 2


async def test_a_venue_that_never_answers_pings_is_kept(tmp_path: Path) -> None:
    """Whether it answers them is not proven: only answers that stop are a sign."""
    settings = quick(ping_s=0.05, ping_lost_s=0.2)
    async with (
        ScriptedServer(Host(pongs=False)) as host,
        watched(host.url, written(tmp_path), settings=settings) as seen,
    ):
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)
        await seen.until(lambda: len(PING.findall(" ".join(host.peers[0].heard))) >= 10)
        epoch, rtt_ms = seen.venue.link.epoch, seen.venue.link.rtt_ms

    assert (epoch, rtt_ms) == (1, None)


async def test_s25_a_login_without_an_answer_is_reported(tmp_path: Path) -> None:
    """The link stays open, not logged in; nothing can be sent, and the reason says so."""
    async with (
        ScriptedServer(Host(confirm=False)) as host,
        watched(host.url, written(tmp_path), settings=quick(login_s=0.2)) as seen,
    ):
        notices: list[str] = []
        await seen.until(lambda: notices.extend(seen.venue.link.take_notices()) or notices)
        state = stage(seen)
        result = await seen.venue.gateway.send(seen.command())
        heard = list(host.peers[0].heard)

    assert state is LinkStage.OPEN
    assert notices[0].startswith("the venue did not confirm the login within 0.2 s")
    assert len(notices) == 1
    assert (result.sent, result.reason) == (
        False,
        "link: the venue has not confirmed the login",
    )
    assert sum("authenticate" in text for text in heard) == 1


async def test_s25_a_session_that_is_logged_out_sends_nothing(tmp_path: Path) -> None:
    """An update that is not authenticated takes the login back."""
    update = (
        f'42["playerUpdate",{{"id":"{PLAYER}","cash":1,"positionQty":0,"avgCost":0,'
        '"cumulativePnL":0,"totalInvested":0,"authenticated":false}]'
    )
    async with (
        ScriptedServer(Host(says=(update,))) as host,
        watched(host.url, written(tmp_path)) as seen,
    ):
        notices: list[str] = []
        await seen.until(lambda: notices.extend(seen.venue.link.take_notices()) or notices)
        state = stage(seen)

    assert notices == ["the venue says that we are no longer logged in: log in there again"]
    assert state is LinkStage.OPEN


@pytest.mark.parametrize("how", ["reset", "close", "41", "44"])
async def test_n01_the_session_learns_of_an_end_at_once(tmp_path: Path, how: str) -> None:
    """The marker is in the queue within 50 ms of the socket's end, before anything is cleaned up.

    The best of three: other processes may have the machine for longer than that.
    """
    marked: list[float] = []
    delays: list[float] = []
    async with (
        ScriptedServer(Host()) as host,
        FaultProxy("127.0.0.1", int(host.url.rsplit(":", 1)[1])) as proxy,
        watched(proxy.url, written(tmp_path)) as seen,
    ):
        loop = asyncio.get_running_loop()
        inbox = seen.venue.feed.supervisor.inbox
        put = inbox.mark

        def mark(change: ConnectionChanged) -> None:
            if change.link is Link.DISCONNECTED:
                marked.append(loop.time())
            put(change)

        inbox.mark = mark  # type: ignore[method-assign]
        for number in (1, 2, 3):
            await seen.until(lambda: seen.venue.link.epoch == number and seen.venue.link.player_id)  # noqa: B023
            started = loop.time()
            if how == "reset":
                proxy.reset()
            elif how == "close":
                await host.peers[-1].socket.close()
            else:
                await host.peers[-1].say(how)
            await seen.until(lambda: len(marked) == number)  # noqa: B023
            delays.append(marked[-1] - started)
        await seen.until(lambda: len(lost(seen)) == 3)

    assert min(delays) < 0.05


async def test_n02_a_half_open_link_is_made_again(tmp_path: Path) -> None:
    """Silence both ways: noticed by the missing game frames, and not waited for when it is closed."""
    settings = quick(stale_s=0.6)
    async with (
        ScriptedServer(Host()) as host,
        FaultProxy("127.0.0.1", int(host.url.rsplit(":", 1)[1])) as proxy,
        watched(proxy.url, written(tmp_path), settings=settings) as seen,
    ):
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)
        loop = asyncio.get_running_loop()
        started = loop.time()
        proxy.up.silent = proxy.down.silent = True
        await seen.until(lambda: lost(seen))
        noticed_s = loop.time() - started
        proxy.up.clear()
        proxy.down.clear()
        await seen.until(lambda: seen.venue.link.epoch == 2 and stage(seen) is LinkStage.FRESH)
        rebuilt_s = loop.time() - started

    assert lost(seen)[0].startswith("no game frame for 0.6")
    assert 0.4 < noticed_s < 1.5
    assert rebuilt_s < 2.5


async def test_n08_a_flapping_link_ends_the_session(tmp_path: Path) -> None:
    """Lost more often than allowed within the window: one line, and no further connection."""

    async def flap(peer: Peer) -> None:
        await peer.say(JOINED, tick(0))
        await peer.socket.close()

    async with (
        ScriptedServer(flap) as host,
        watched(host.url, written(tmp_path), settings=quick(reconnects=4)) as seen,
    ):
        async with asyncio.timeout(20):
            while seen.error is None:  # noqa: ASYNC110 - no event reports it
                await asyncio.sleep(0.01)
        error, state, left = seen.error, stage(seen), seen.venue.link.budget.reconnects
        await asyncio.sleep(0.2)

    assert isinstance(error, InputError)
    assert "127.0.0.1 was lost 5 times in 300 s (last: the transport was closed)" in str(error)
    assert len(host.peers) == 5
    assert (state, left) == (LinkStage.DOWN, 0)


async def test_a_feed_without_a_login_may_have_the_limit_too() -> None:
    """By default it reconnects as often as needed."""

    async def flap(peer: Peer) -> None:
        await peer.say(JOINED, tick(0))
        await peer.socket.close()

    async with ScriptedServer(flap) as host:
        async with watched(host.url, None, settings=quick(reconnects=2)) as seen:
            with pytest.raises(InputError, match="was lost 3 times"):
                await seen.until(lambda: False)
        async with watched(host.url, None) as seen:
            await seen.until(lambda: seen.venue.link.epoch == 25)
            left = seen.venue.link.budget.reconnects

    assert left is None


@pytest.mark.parametrize("status", [401, 403])
async def test_n10_a_venue_that_refuses_us_ends_the_session(tmp_path: Path, status: int) -> None:
    """With a login there is no second attempt."""
    async with (
        ScriptedServer(Host(), status=status) as host,
        watched(host.url, written(tmp_path)) as seen,
    ):
        with pytest.raises(InputError, match=f"refuses us .the venue answered {status}"):
            await seen.until(lambda: False)

    assert len(host.queries) == 1


async def test_n13_a_suspension_is_a_disconnect(tmp_path: Path) -> None:
    """What was decided before it is not sent, not even before the watchdog has noticed."""
    slept = [0]
    async with (
        ScriptedServer(Host()) as host,
        watched(host.url, written(tmp_path)) as seen,
    ):
        seen.venue.feed.supervisor.slept_ns = lambda: slept[0]
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)
        seen.venue.feed.supervisor.slept_at_start_ns = 0
        command = seen.command()
        slept[0] = 600 * 10**9
        result = await seen.venue.gateway.send(command)
        await seen.until(lambda: seen.venue.link.epoch == 2 and stage(seen) is LinkStage.FRESH)
        after = await seen.venue.gateway.send(seen.command())

    assert result.reason == "epoch: it was decided before this connection was made"
    assert lost(seen)[0] == "the machine was suspended for 600 s"
    assert after.sent is True


def test_a_suspension_is_measured_apart_from_steps_of_the_clock() -> None:
    """Without one, the difference of two readings is next to nothing."""
    first = suspended_ns()

    assert first >= 0
    assert abs(suspended_ns() - first) < 50_000_000


async def test_a_cut_lets_nothing_more_out(tmp_path: Path) -> None:
    """From another thread; no connection follows, and the feed ends without an error."""
    async with (
        ScriptedServer(Host()) as host,
        watched(host.url, written(tmp_path), settings=quick(ping_s=0.05)) as seen,
    ):
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)
        thread = threading.Thread(target=seen.venue.cut)
        thread.start()
        thread.join(5)
        result = await seen.venue.gateway.send(seen.command())
        heard = len(host.peers[0].heard)
        await asyncio.sleep(0.3)
        after, state = len(host.peers[0].heard), stage(seen)
        item = await seen.venue.feed.next_item(0.05)

    assert (result.sent, result.reason) == (False, "link: there is no connection")
    assert after == heard
    assert len(host.peers) == 1
    assert state is LinkStage.DOWN
    assert item is None
    assert seen.error is None
    assert lost(seen) == ["cut by a stop"]


async def test_a_cut_before_a_connection_prevents_it(tmp_path: Path) -> None:
    """Nothing is sent afterwards, whatever state the link was in."""
    async with ScriptedServer(Host()) as host:
        venue = LiveVenue(host.url, token=written(tmp_path), settings=quick())
        venue.cut()
        assert await venue.feed.next_item(0.2) is not None  # connecting
        assert await venue.feed.next_item(0.2) is None
        await venue.aclose()

    assert host.queries == []


@define(eq=False)
class Pipe:
    """Carries one connection from loopback to a port, in a thread that our event loop cannot stop.

    Attributes:
        port: where it carries to.
        ended: when the client's stream ended, by the monotonic clock; None before.
        was_reset: whether it ended by a reset.
    """

    port: int
    ended: float | None = None
    was_reset: bool = False
    _listener: socket.socket = field(factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        self._listener.close()

    @property
    def url(self) -> str:
        """Return the address for a client."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def wait(self) -> None:
        """Wait until the client's stream has ended."""
        assert self._thread is not None
        self._thread.join(10)

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection(("127.0.0.1", self.port)) as server:
            back = threading.Thread(target=self._carry, args=(server, client), daemon=True)
            back.start()
            self.was_reset = self._carry(client, server)
            self.ended = time.monotonic()
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join(5)

    def _carry(self, source: socket.socket, target: socket.socket) -> bool:
        """Carry one direction to its end; return whether that was a reset."""
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except ConnectionResetError:
            return True
        except OSError:
            pass
        return False


async def test_the_wire_is_shut_while_the_loop_hangs(tmp_path: Path) -> None:
    """The peer sees the end of our stream before the loop runs again."""
    async with ScriptedServer(Host()) as host:
        with Pipe(int(host.url.rsplit(":", 1)[1])) as pipe:
            async with watched(pipe.url, written(tmp_path)) as seen:
                await seen.until(lambda: stage(seen) is LinkStage.FRESH)
                cut_at: list[float] = []

                def cut() -> None:
                    cut_at.append(time.monotonic())
                    seen.venue.cut()

                timer = threading.Timer(0.05, cut)
                timer.start()
                time.sleep(0.5)  # noqa: ASYNC251 - the loop hangs
                released = time.monotonic()
                timer.join()
            await asyncio.to_thread(pipe.wait)

    assert pipe.ended is not None
    assert pipe.ended - cut_at[0] < 0.1
    assert pipe.ended < released


async def test_a_dead_connection_is_reset(tmp_path: Path) -> None:
    """What the system has not delivered by then is discarded: no order arrives minutes later."""
    host = Host()
    async with ScriptedServer(host) as served:
        with Pipe(int(served.url.rsplit(":", 1)[1])) as pipe:
            async with watched(pipe.url, written(tmp_path), settings=quick(stale_s=0.3)) as seen:
                await seen.until(lambda: stage(seen) is LinkStage.FRESH)
                host.ticks = False
                await seen.until(lambda: lost(seen))
                await asyncio.to_thread(pipe.wait)

    assert lost(seen)[0].startswith("no game frame for ")
    assert pipe.was_reset is True


@pytest.mark.parametrize("dead", [True, False])
async def test_a_stop_discards_what_a_silent_peer_has_not_received(
    tmp_path: Path, dead: bool
) -> None:
    """We end the link in order; where nobody answers, the system keeps nothing to deliver later."""
    async with (
        ScriptedServer(Host()) as served,
        FaultProxy("127.0.0.1", int(served.url.rsplit(":", 1)[1])) as proxy,
    ):
        with Pipe(proxy.port) as pipe:
            async with watched(pipe.url, written(tmp_path)) as seen:
                await seen.until(lambda: stage(seen) is LinkStage.FRESH)
                if dead:
                    proxy.half_open()
                await seen.venue.aclose()
                await asyncio.to_thread(pipe.wait)

    assert pipe.was_reset is dead


async def test_an_expired_token_connects_nowhere(tmp_path: Path) -> None:
    """One line with the place and what to do, before anything is sent."""
    async with (
        ScriptedServer(Host()) as host,
        watched(host.url, written(tmp_path, soon(left_s=-600))) as seen,
    ):
        with pytest.raises(InputError, match=r"login\.token expired 10 minutes ago"):
            await seen.until(lambda: False)

    assert host.queries == []


async def test_a_token_that_ends_soon_takes_exits_only(tmp_path: Path) -> None:
    """Entries need a minute; exits are sent as long as the venue takes them."""
    async with (
        ScriptedServer(Host()) as host,
        watched(host.url, written(tmp_path, soon(left_s=50))) as seen,
    ):
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)
        entry = await seen.venue.gateway.send(seen.command())
        exits = await seen.venue.gateway.send(seen.command(ActionType.SELL))
        left_s = seen.venue.link.token_left_s()

    assert entry.sent is False
    assert (entry.reason or "").startswith("token: it ends in ")
    assert exits.sent is True
    assert left_s is not None
    assert 40 < left_s < 51


async def test_a_renewed_token_is_used_at_the_next_connection(tmp_path: Path) -> None:
    """The source is re-read; nothing remembers the older one."""
    source = written(tmp_path, "older-token-1")

    async def first(peer: Peer) -> None:
        await peer.say(JOINED, tick(0))
        while len(peer.heard) < 2:  # noqa: ASYNC110 - the script has no event
            await asyncio.sleep(0.01)
        written(tmp_path, "newer-token-2")
        await peer.socket.close()

    async with ScriptedServer(first, Host()) as host, watched(host.url, source) as seen:
        await seen.until(lambda: seen.venue.link.epoch == 2 and stage(seen) is LinkStage.FRESH)
        logins = [json.loads(peer.heard[1][2:])[2]["token"] for peer in host.peers]

    assert logins == ["older-token-1", "newer-token-2"]


async def test_a_token_renewed_in_time_is_used_between_games(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a game runs the connection is kept; after it, a new one logs in with the newer token."""
    monkeypatch.setattr("vectra_bot.venues.login._RENEWAL_S", 0.1)
    source, host = written(tmp_path, soon(left_s=30)), Host()
    async with ScriptedServer(host, Host()) as served, watched(served.url, source) as seen:
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)
        written(tmp_path, soon(left_s=3_600))
        await asyncio.sleep(0.6)
        during = seen.venue.link.epoch
        host.marks = '"rugged":true'
        await seen.until(lambda: seen.venue.link.epoch == 2 and stage(seen) is LinkStage.FRESH)
        left_s = seen.venue.link.token_left_s()

    assert during == 1
    assert lost(seen)[0] == "the token was renewed: logging in again"
    assert left_s is not None
    assert left_s > 3_000


@pytest.mark.parametrize("logged_out", [True, False])
async def test_s25_another_token_logs_in_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged_out: bool
) -> None:
    """After a logout, or a login without an answer, a token that is put there is used at once."""
    monkeypatch.setattr("vectra_bot.venues.login._RENEWAL_S", 0.05)
    source = written(tmp_path, "older-token-1")
    update = (
        f'42["playerUpdate",{{"id":"{PLAYER}","cash":1,"positionQty":0,"avgCost":0,'
        '"cumulativePnL":0,"totalInvested":0,"authenticated":false}]'
    )
    first = Host(says=(update,)) if logged_out else Host(confirm=False)
    async with (
        ScriptedServer(first, Host()) as host,
        watched(host.url, source, settings=quick(login_s=0.2)) as seen,
    ):
        notices: list[str] = []
        await seen.until(lambda: notices.extend(seen.venue.link.take_notices()) or notices)
        await asyncio.sleep(0.5)
        kept = seen.venue.link.epoch
        written(tmp_path, "newer-token-2")
        await seen.until(lambda: seen.venue.link.epoch == 2 and stage(seen) is LinkStage.FRESH)

    assert kept == 1
    assert lost(seen)[0] == "there is another token: logging in again"
    assert len(notices) == 1


class SlowSource:
    """A place that answers late, as a keyring does that asks its user; not the first time."""

    where = "a slow place"

    def __init__(self) -> None:
        self.reads = 0

    def read(self) -> Token:
        self.reads += 1
        if self.reads > 1:
            time.sleep(1.0)
        return Token.of("slow-token-1", self.where)


async def test_a_place_that_answers_late_does_not_keep_the_session_waiting(tmp_path: Path) -> None:
    """The loop runs while the token is read."""
    gaps, source = [0.0], SlowSource()

    async def measure() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - before)

    async with ScriptedServer(Host()) as host, watched(host.url, source) as seen:
        measuring = asyncio.create_task(measure())
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)
        measuring.cancel()

    assert source.reads == 2
    assert max(gaps) < 0.9


async def test_a_token_that_is_missing_at_a_reconnect_is_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed continues without a login, one line says why, and the login follows when there is a token."""
    monkeypatch.setattr("vectra_bot.venues.login._RENEWAL_S", 0.05)
    source, kept = written(tmp_path), Host()

    async def first(peer: Peer) -> None:
        (tmp_path / "login.token").unlink()
        await peer.say(JOINED)
        await peer.socket.close()

    async with ScriptedServer(first, kept) as host, watched(host.url, source) as seen:
        notices: list[str] = []
        await seen.until(lambda: notices.extend(seen.venue.link.take_notices()) or notices)
        await seen.until(lambda: seen.venue.link.epoch >= 2 and stage(seen) is LinkStage.OPEN)
        await asyncio.sleep(0.2)
        notices += seen.venue.link.take_notices()
        written(tmp_path)
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)

    assert len(notices) <= 2
    assert all(text.startswith("not logged in: token file") for text in notices)


@pytest.mark.parametrize(
    "url", ["http://venue.example", "http://10.0.0.1:80", "ws://venue.example"]
)
def test_a_token_is_not_sent_unencrypted(tmp_path: Path, url: str) -> None:
    """Http is for this machine only; without a token any address may be watched."""
    with pytest.raises(ConfigError, match="a token is not sent unencrypted: give https://"):
        LiveVenue(url, token=written(tmp_path))
    assert LiveVenue(url).feed.venue


def hostile(*messages: str) -> Script:
    """Return a host that says *messages* after the login."""
    return Host(says=messages)


async def test_nothing_a_venue_says_makes_us_send_more(tmp_path: Path) -> None:
    """Requests for answers, reserved names, other namespaces and false acknowledgements get no reply."""
    messages = (
        '4217["answer me"]',
        '42["authenticate",{"token":"yours?"}]',
        '42["connect"]',
        '42["disconnect"]',
        '427["buyOrder",{"amount":1}]',
        "430[]",
        "43[]",
        "4399999999999999999999[]",
        "43999[]",
        '42/admin,1["answer me"]',
        '451-["x",{"_placeholder":true,"num":0}]',
        '40/admin,{"sid":"x"}',
        CONFIRMED,
        "2",
        "2probe",
        "3",
    )
    async with (
        ScriptedServer(hostile(*messages)) as host,
        watched(host.url, written(tmp_path), settings=quick(ping_s=0.1)) as seen,
    ):
        await seen.until(lambda: stage(seen) is LinkStage.FRESH)
        await seen.until(lambda: len(PING.findall(" ".join(host.peers[0].heard))) >= 3)
        heard = list(host.peers[0].heard)

    others = [text for text in heard if not PING.fullmatch(text)]
    assert others[0] == "40{}"
    assert "authenticate" in others[1]
    assert others[2:] == ["3", "3probe"]
