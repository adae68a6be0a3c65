"""Our reference frames for a capture: an exchange with its crowd and one player who uses every feature.

Half of the games are played with a scheduled rug royale and god candles in the records, half with neither,
so that both appear whatever the seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from attrs import define, evolve, field

from vectra_bot.conformance.frames.frame_capture import Seen, of_text
from vectra_bot.exchange import Exchange, ExchangeConfig, Outbound
from vectra_bot.exchange.config import START_NS, GoldenPlan
from vectra_bot.exchange.features.calendar import BATCHES_NS, planned
from vectra_bot.exchange.identities import Identities
from vectra_bot.game import rules
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.server.answers import ANSWERED, Answers
from vectra_bot.wire.frames import trace_argument
from vectra_bot.wire.states import WireFormat

CAPTURE = "ours"
_NS = 1e-9
_SNAPSHOT_EVERY_MS = 20_000
_ACT_EVERY_MS = 1_700
_CASH = 2_000 * rules.LAMPORTS_PER_SOL
_BONUS = 20 * rules.LAMPORTS_PER_SOL
_SOL = rules.SOL_ADDRESS
_PRACTICE = rules.PRACTICE_ADDRESS
_MANY_GOLDEN = GoldenPlan(every_min=40, after_min=3, length_min=20, chance=1 / 3)
# Two games of five count as instarugs, so that many fill the rugpool and it is drawn often.
_INSTARUG_TICKS = 100
_FEW_INSTARUGS = 2

# Games with a god candle, found by search: peaks of 7.93, 14.03 and 52.09, one for each tier of records.
_GOD_CANDLES = (
    (
        "bd138d45ffbe4773fee42a4b957721af1b10a8989c3e8d8a84064e55c3a1ad59",
        "20251231-c7c4bea85d2db89b",
    ),
    (
        "3e8d94323e9155538e9f819251da194a725522064e0b94b93dabe294e159a54b",
        "20251231-665e76286c453e42",
    ),
    (
        "721b73920442a5aa648503ad8d394e606f8dffa04fd739877d0f884c137d1921",
        "20251231-3803ea13ad51e10b",
    ),
)

# The player's requests, in turn: event, payload, whether an acknowledgement is requested (protocol 10).
_Ask = tuple[str, str | None, bool]
_SCRIPT: tuple[_Ask, ...] = (
    ("buyOrder", '{"amount":0.01}', True),
    ("requestSidebet", f'{{"amount":0.005,"coinAddress":"{_SOL}","xPayout":5}}', True),
    ("sellOrder", '{"percentage":25}', True),
    ("ping", '{"lastPing":81.4}', True),
    ("buyOrder", '{"amount":1}', True),
    ("sellOrder", '{"percentage":100}', True),
    ("requestSidebet", f'{{"amount":1,"coinAddress":"{_SOL}","xPayout":5}}', True),
    ("getLeaderboard", '{"period":"7d"}', False),
    ("getPlayerLeaderboardPosition", '{"playerId":"ME","period":"7d"}', False),
    ("selectCoin", f'{{"coinAddress":"{_PRACTICE}"}}', True),
    ("getPlayerCosmetics", None, False),
    ("selectCoin", f'{{"coinAddress":"{_SOL}"}}', True),
    ("checkUsername", None, False),
    ("chatHistory", None, False),
)
# Shorts and leverage came between December and February (protocol 8).
_FEB_SCRIPT: tuple[_Ask, ...] = (
    ("buyOrder", '{"amount":0.05,"leverage":2}', True),
    ("shortOrder", '{"amount":0.02}', True),
    ("closeShort", "{}", True),
)
_TRACED = frozenset({"authenticate", "buyOrder", "sellOrder", "requestSidebet"})


@define
class ReferencePlayer:
    """The client of the reference: logs in, then repeats a script."""

    exchange: Exchange
    player_id: str
    script: tuple[_Ask, ...]
    answers: Answers = field(init=False)
    sent: list[Seen] = field(factory=list)
    _turn: int = 0
    _packets: int = 0
    _due_ns: int = 0

    def connect(self, bonus: int) -> None:
        """Log in, as a browser does (protocol 2.5), with *bonus* lamports of bonus money."""
        self.answers = Answers(self.exchange)
        self._due_ns = self.exchange.now_ns + _ACT_EVERY_MS * NS_PER_MS
        trace_id = self._note("authenticate", '{"token":"kept out of captures"}', "")
        self.exchange.connect(
            self.player_id,
            "player_reference",
            _CASH,
            level=12,
            bonus=bonus,
            trace_id=trace_id,
        )

    def act(self) -> list[str]:
        """Send the next request of the script if it is time; return the server's own answers."""
        now = self.exchange.now_ns
        if now < self._due_ns:
            return []
        self._due_ns = now + _ACT_EVERY_MS * NS_PER_MS
        event, payload, answered = self.script[self._turn % len(self.script)]
        if answered:
            self._packets += 1
        packet = str(self._packets) if answered else ""
        payload = None if payload is None else payload.replace("ME", self.player_id)
        self._note(event, payload, packet)
        if event not in ANSWERED or answered:
            self.exchange.request(now, self.player_id, self._text(event, payload, packet))
            return []
        body = {} if payload is None else json.loads(payload)
        text = self.answers.text(event, body, self.player_id, None)
        return [] if text is None else [text]

    def _text(self, event: str, payload: str | None, packet: str) -> str:
        parts = [f'"{event}"']
        if event in _TRACED:
            parts.append(trace_argument(self._trace_id(), self._trace_id()[16:]))
        if payload is not None:
            parts.append(payload)
        return f"42{packet}[{','.join(parts)}]"

    def _trace_id(self) -> str:
        return f"{self._turn:032x}"

    def _note(self, event: str, payload: str | None, packet: str) -> str:
        """Store a request as in a capture, and return its trace id."""
        self._turn += 1
        seen = of_text(
            self._text(event, payload, packet),
            place=0,
            capture=CAPTURE,
            at_s=self.exchange.now_ns * _NS,
            outbound=True,
        )
        if seen is not None:
            self.sent.append(seen)
        return self._trace_id()


def worlds(wire_format: WireFormat, games: int, seed: int) -> list[tuple[ExchangeConfig, int]]:
    """Return the exchanges of the reference and the number of games of each."""
    config = ExchangeConfig(
        seed=seed,
        wire_format=wire_format,
        golden=_MANY_GOLDEN,
        rugpool_threshold=_FEW_INSTARUGS,
        instarug_ticks=_INSTARUG_TICKS,
    )
    identities = Identities(seed)
    busy = evolve(config, start_ns=_start(identities, True), past_records=_GOD_CANDLES)
    quiet = evolve(config, start_ns=_start(identities, False))
    first = (games + 1) // 2
    return [(busy, first), (quiet, games - first)] if games > 1 else [(busy, 1)]


def _start(identities: Identities, wanted: bool) -> int:
    """Return the first start of a batch in which both kinds of event are scheduled, or neither is."""
    longest = max(BATCHES_NS.values())
    at_ns = -(-START_NS // longest) * longest
    while any(planned(kind, identities, at_ns) is not wanted for kind in BATCHES_NS):
        at_ns += longest
    return at_ns


def own_frames(
    wire_format: WireFormat,
    games: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[Seen, bool]]:
    """Yield what one logged-in player of our exchange receives and sends, and whether it is public.

    Snapshots of other connections are interleaved as excerpts, because a connection has only one.

    Args:
        wire_format: the format to write.
        games: games to play.
        seed: seed of the exchange.
        progress: called with the number of finished games.
    """
    done = 0
    for number, (config, share) in enumerate(worlds(wire_format, games, seed), 1):
        capture = f"{CAPTURE}, {number}"
        for seen, everybody, opened in _one_world(config, share):
            yield evolve(seen, capture=capture), everybody
            if done != opened and progress is not None:
                progress(games - share + opened if number > 1 else opened)
            done = opened


def _one_world(config: ExchangeConfig, games: int) -> Iterator[tuple[Seen, bool, int]]:
    exchange = Exchange(config)
    feb = config.wire_format is WireFormat.FEB
    player = ReferencePlayer(exchange, exchange.client_id(), _SCRIPT + (_FEB_SCRIPT if feb else ()))
    player.connect(0 if config.past_records else _BONUS)
    place = 0
    next_snapshot_ns = exchange.now_ns + _SNAPSHOT_EVERY_MS * NS_PER_MS
    while exchange.games_opened < games:
        texts = [
            (out.text, out.player_id is None or place == 0)
            for out in exchange.step()
            if _is_for(out, player.player_id)
        ]
        texts += [(text, False) for text in player.act()]
        for sent in player.sent:
            yield sent, False, exchange.games_opened
        player.sent.clear()
        for text, everybody in texts:
            place += 1
            seen = _seen(text, place, exchange)
            if seen is not None:
                yield seen, everybody, exchange.games_opened
        if exchange.now_ns >= next_snapshot_ns:
            next_snapshot_ns += _SNAPSHOT_EVERY_MS * NS_PER_MS
            snapshot = _seen(exchange.snapshot(), place, exchange)
            if snapshot is not None:
                yield evolve(snapshot, excerpt=True), True, exchange.games_opened


def _is_for(out: Outbound, player_id: str) -> bool:
    return out.player_id in (None, player_id) and out.not_to != player_id


def _seen(text: str, place: int, exchange: Exchange) -> Seen | None:
    at_s = exchange.now_ns * _NS
    return of_text(text, place=place, capture=CAPTURE, at_s=at_s, outbound=False)
