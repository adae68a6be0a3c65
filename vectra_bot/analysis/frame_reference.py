"""Our own frames to hold a capture against: an exchange with its crowd and one player who does it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import define, field

from vectra_bot.analysis.frame_capture import Seen, of_text
from vectra_bot.exchange import Exchange, ExchangeConfig, Outbound
from vectra_bot.game import rules
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.frames import trace_argument
from vectra_bot.wire.states import WireFormat

CAPTURE = "ours"
_NS = 1e-9
_SNAPSHOT_EVERY_MS = 20_000
_ACT_EVERY_MS = 900
_CASH = 2_000 * rules.LAMPORTS_PER_SOL
_SOL = rules.SOL_ADDRESS

# What the player asks for, in turn: event, payload, whether an answer is wanted (protocol 10).
_SCRIPT: tuple[tuple[str, str | None, bool], ...] = (
    ("buyOrder", '{"amount":0.01}', True),
    ("requestSidebet", f'{{"amount":0.005,"coinAddress":"{_SOL}","xPayout":5}}', True),
    ("sellOrder", '{"percentage":25}', True),
    ("ping", '{"lastPing":81.4}', True),
    ("buyOrder", '{"amount":1}', True),
    ("sellOrder", '{"percentage":100}', True),
    ("requestSidebet", f'{{"amount":1,"coinAddress":"{_SOL}","xPayout":5}}', True),
    ("getLeaderboard", '{"period":"7d"}', False),
    ("getPlayerLeaderboardPosition", '{"playerId":"ME","period":"7d"}', False),
    ("getPlayerCosmetics", None, False),
    ("checkUsername", None, False),
    ("chatHistory", None, False),
)
_TRACED = frozenset({"buyOrder", "sellOrder", "requestSidebet"})


@define
class Player:
    """The client of the reference: connects, then goes through the script again and again."""

    exchange: Exchange
    player_id: str
    _turn: int = 0
    _packets: int = 0
    _due_ns: int = 0
    sent: list[Seen] = field(factory=list)

    def connect(self) -> None:
        """Log in, as a browser does (protocol 2.5)."""
        self.exchange.connect(self.player_id, "player_reference", _CASH, level=12)
        self._due_ns = self.exchange.now_ns + _ACT_EVERY_MS * NS_PER_MS

    def act(self) -> None:
        """Send the next request of the script if its time has come."""
        now = self.exchange.now_ns
        if now < self._due_ns:
            return
        self._due_ns = now + _ACT_EVERY_MS * NS_PER_MS
        event, payload, answered = _SCRIPT[self._turn % len(_SCRIPT)]
        self._turn += 1
        packet = ""
        if answered:
            self._packets += 1
            packet = str(self._packets)
        parts = [f'"{event}"']
        if event in _TRACED:
            trace_id = f"{self._turn:032x}"
            parts.append(trace_argument(trace_id, trace_id[16:]))
        if payload is not None:
            parts.append(payload.replace("ME", self.player_id))
        text = f"42{packet}[{','.join(parts)}]"
        self.exchange.request(now, self.player_id, text)
        seen = of_text(text, place=0, capture=CAPTURE, at_s=now * _NS, outbound=True)
        if seen is not None:
            self.sent.append(seen)


def own_frames(
    wire_format: WireFormat,
    games: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[Seen, bool]]:
    """Yield what one logged-in player of our exchange sees and sends, and whether everybody sees it.

    Snapshots of other connections stand between as excerpts, because a connection has only one.

    Args:
        wire_format: the format to write.
        games: games to play.
        seed: seed of the exchange.
        progress: told the number of games done.
    """
    exchange = Exchange(ExchangeConfig(seed=seed, wire_format=wire_format))
    player = Player(exchange, exchange.client_id())
    player.connect()
    place = 0
    next_snapshot_ns = exchange.now_ns + _SNAPSHOT_EVERY_MS * NS_PER_MS
    done = 0
    while exchange.games_opened < games:
        for out in exchange.step():
            if out.player_id in (None, player.player_id) and out.not_to != player.player_id:
                place += 1
                seen = _seen(out, place)
                if seen is not None:
                    yield seen, out.player_id is None or place == 1
        player.act()
        for sent in player.sent:
            yield sent, False
        player.sent.clear()
        if exchange.now_ns >= next_snapshot_ns:
            next_snapshot_ns += _SNAPSHOT_EVERY_MS * NS_PER_MS
            snapshot = of_text(
                exchange.snapshot(),
                place=place,
                capture=CAPTURE,
                at_s=exchange.now_ns * _NS,
                outbound=False,
            )
            if snapshot is not None:
                yield _as_excerpt(snapshot), True
        if progress is not None and exchange.games_opened != done:
            done = exchange.games_opened
            progress(done)


def _seen(out: Outbound, place: int) -> Seen | None:
    return of_text(out.text, place=place, capture=CAPTURE, at_s=out.at_ns * _NS, outbound=False)


def _as_excerpt(seen: Seen) -> Seen:
    return Seen(seen.place, seen.capture, seen.at_s, False, seen.event, seen.args, excerpt=True)
