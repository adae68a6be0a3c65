"""What our frames can contain, listed where a sample of games would show it only by chance.

A sum of SOL is written as ``1`` or ``0.98``, a record is null until the first god candle, and a row of a
practice player is among the best ten only sometimes. Whether some of our games showed such a value
must not decide about a capture, so these are listed here (protocol 5, 14). Everything else is what our
games show.
"""

from __future__ import annotations

from attrs import define, field

from vectra_bot.conformance.frames.frame_shapes import STATE, KeyShape, ObjectShape, Shapes

REALS = frozenset(
    {
        "*", "accuracy", "amount", "averageMultiplier", "avgCost", "avgTicksOff", "balance", "betAmount",
        "bonusBalance", "bonusPortion", "bonusWagerReq", "bonusWagered", "cash", "cumulativePnL",
        "currentValue", "entryPercentage", "entryPrice", "highestToday", "lastPing", "liquidationPrice",
        "payout", "peakMultiplier", "percentage", "pnl", "pnlPercent", "positionQty", "price", "prizeAmount",
        "probability", "profit", "qty", "realPortion", "regularPnl", "reward", "rewardPerWinner",
        "rugpoolAmount", "sidebetPnl", "totalInvested", "totalPoolAmount",
        "godCandle2x", "godCandle10x", "godCandle50x",
    }
)  # fmt: skip
"""Keys whose numbers may be whole or not; ``*`` stands for the numbers of a list or map (prices, prizes).

``shortPnl`` is not listed: it is 0 in the December format, and both in the February one.
"""

_PRESALE_ROW = "[presale]"
_ZERO_IN_PRESALE = ("pnl", "pnlPercent")

_NULL_OR: dict[str, str] = {
    "activeEventId": "text",
    "currentEvent": "object",
    "discordUsername": "text",
    "replyTo": "object",
    "role": "text",
    "selectedCoin": "object",
    "sideBet": "object",
    "sidebetActive": "bool",
    "tag": "text",
    "username": "text",
} | {
    f"godCandle{tier}x{part}": kind
    for tier in (2, 10, 50)
    for part, kind in (
        ("", "float"),
        ("Timestamp", "int"),
        ("MassiveJump", "list"),
        ("GameId", "text (game id)"),
        ("ServerSeed", "text (64 hex digits)"),
    )
}
"""Keys that may be null or of one other type."""

_RECORD_FRAMES = ("settlement", "new-game", "golden-start", "snapshot")
_OPTIONAL = frozenset(
    {(f"{STATE} {kind}", "rugRoyale") for kind in _RECORD_FRAMES}
    | {("gameStatePlayerUpdate", key) for key in ("leaderboardEntry", "rugpool", "trades")}
)
"""Keys of a message, by its kind, that may be absent."""

_ROW, _OWN_ROW = "leaderboard[", "leaderboardEntry["
_COIN = "selectedCoin"


@define
class Possible:
    """What messages of every kind can contain: our sample and the lists of this module.

    Parts that several kinds share (rows of the leaderboard, finished games, the royale's schedule, coins)
    have one shape wherever they are.
    """

    _shapes: Shapes
    _shared: dict[str, ObjectShape] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._shared = {}
        for kind in self._shapes.kinds:
            for path, shape in self._shapes.paths(kind):
                part = _part(kind, path)
                if part is not None:
                    _merge(self._shared.setdefault(part, ObjectShape()), shape)
        for part, shape in self._shared.items():
            _add_listed(part, shape)

    def paths(self, kind: str) -> dict[str, ObjectShape]:
        """Return the shape of every object that messages of *kind* had in our sample, completed."""
        found = dict(self._shapes.paths(kind))
        for path, shape in found.items():
            shared = self._shared.get(_part(kind, path) or "")
            if shared is not None:
                _add_possible(shape, shared)
            _add_listed(path, shape)
            if path == "payload":
                _add_optional(kind, shape)
        return found

    def shared(self, kind: str, path: str) -> ObjectShape | None:
        """Return the shape of a part that only other kinds of message had in our sample."""
        return self._shared.get(_part(kind, path) or "")


def _part(kind: str, path: str) -> str | None:
    """Return the name of a part that several kinds of message share, None for any other object."""
    inner = path.removeprefix("payload").removeprefix(".")
    if inner == _COIN or inner.endswith(f".{_COIN}"):
        return _COIN
    if inner.startswith(_OWN_ROW):
        return inner.replace(_OWN_ROW, _ROW, 1)
    return inner if inner and kind.startswith(f"{STATE} ") else None


def _merge(shape: ObjectShape, other: ObjectShape) -> None:
    """Count the objects of *other* as objects of *shape* too, as far as presence and types go."""
    if shape.objects.count:
        for key in shape.keys.keys() ^ other.keys.keys():
            shape.keys.setdefault(key, KeyShape()).optional = True
    shape.objects.count += other.objects.count
    for key, known in other.keys.items():
        mine = shape.keys.setdefault(key, KeyShape())
        mine.optional |= known.absent.count > 0
        for name in known.types:
            mine.allow(name)


def _add_possible(shape: ObjectShape, shared: ObjectShape) -> None:
    """Allow in *shape* what the same part had elsewhere."""
    for key, known in shared.keys.items():
        mine = shape.keys.setdefault(key, KeyShape())
        mine.optional |= known.optional
        for name in known.types:
            mine.allow(name)


def _add_listed(path: str, shape: ObjectShape) -> None:
    for key, known in shape.keys.items():
        other = _NULL_OR.get(key)
        if other is not None and ("null" in known.types or other in known.types):
            known.allow("null")
            known.allow(other)
        if key in _ZERO_IN_PRESALE and path.endswith(_PRESALE_ROW):
            continue
        if key in REALS and ("int" in known.types or "float" in known.types):
            known.allow("int")
            known.allow("float")


def _add_optional(kind: str, shape: ObjectShape) -> None:
    for name, key in _OPTIONAL:
        if name == kind:
            known = shape.keys.setdefault(key, KeyShape())
            known.optional = True
            known.allow("list" if key == "trades" else "object")
