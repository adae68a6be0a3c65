"""Compare our crowd with the real one, and our prices with the law: one verdict for each quantity.

Law quantities are tested against the real games, and against the law itself where it has a closed
form; each must have p >= 0.001. Crowd quantities are measured: the distributions must be closer than a
Kolmogorov-Smirnov distance of 0.10 and the means within 10 %.

With few games a distance of 0.10 is not significant: a perfect crowd would exceed it by chance. So each limit
is the larger of 0.10 and the bound of 99 % of samples of as many whole games, drawn from ours. The
applied limit is reported with every figure; ``wide`` says where it is above 0.10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from attrs import Factory, field, frozen
from numpy.typing import NDArray

from vectra_bot.conformance.crowd import statistics
from vectra_bot.conformance.crowd.crowd_games import watch_games
from vectra_bot.conformance.crowd.crowd_quantities import QUANTITIES, Quantity, Sample, Samples
from vectra_bot.conformance.frames.capture_rows import Row, read_rows
from vectra_bot.errors import UsageError
from vectra_bot.exchange.config import DEFAULT_CROWD, ExchangeConfig
from vectra_bot.game import rules

P_LIMIT = 0.001
KS_LIMIT = 0.10
MEAN_LIMIT = 0.10
CHANCE_SHARE = 0.99
MATCHED_GAMES = 20
"""Number of our games of nearest length compared with one real game if length determines the value."""

_SHARES = {"big_move_share", "big_move_up_share"}
_BIG_SHARE = rules.BIG_MOVE_CHANCE * (1 - rules.GOD_CANDLE_CHANCE)


@frozen(kw_only=True)
class Verdict:
    """The result of comparing one quantity.

    ``n_ours`` and ``n_theirs`` count values, ``games`` the real games they come from. ``ks`` is the
    distance of the distributions; ``p`` its p for the law's quantities. ``passed`` is None where nothing
    was compared.
    """

    name: str
    kind: str
    against: str
    n_ours: int = 0
    n_theirs: int = 0
    games: int = 0
    ks: float | None = None
    p: float | None = None
    mean_ours: float | None = None
    mean_theirs: float | None = None
    limit: float | None = None
    mean_limit: float | None = None
    matched: bool = False
    passed: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Our mean divided by the real one."""
        if self.mean_ours is None or not self.mean_theirs:
            return None
        return self.mean_ours / self.mean_theirs

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a JSON object."""
        wide = self.kind == "crowd" and max(self.limit or 0, self.mean_limit or 0) > KS_LIMIT
        return {
            "name": self.name,
            "kind": self.kind,
            "against": self.against,
            "n_ours": self.n_ours,
            "n_theirs": self.n_theirs,
            "games_theirs": self.games,
            "statistic": self.ks,
            "ks": self.ks,
            "p": self.p,
            "mean_ours": self.mean_ours,
            "mean_theirs": self.mean_theirs,
            "ratio": self.ratio,
            "limit": self.limit,
            "mean_limit": self.mean_limit,
            "wide": wide,
            "matched_by_length": self.matched,
            "compared": self.passed is not None,
            "passed": self.passed,
        }


@frozen
class CrowdCheck:
    """All verdicts on one run of our exchange."""

    seed: int | str
    games: int
    crowd: int
    files: tuple[str, ...]
    verdicts: tuple[Verdict, ...] = field(default=Factory(tuple))

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing failed."""
        decided = [verdict.passed for verdict in self.verdicts if verdict.passed is not None]
        return bool(decided) and all(decided)

    def to_json(self) -> dict[str, Any]:
        """Return the check as a JSON object."""
        return {
            "seed": self.seed,
            "games": self.games,
            "crowd": self.crowd,
            "files": list(self.files),
            "quantities": [verdict.to_json() for verdict in self.verdicts],
            "not_compared": [v.name for v in self.verdicts if v.passed is None],
            "failed": [f"{v.name} ({v.against})" for v in self.verdicts if v.passed is False],
            "passed": self.passed,
        }


def check_crowd(
    seed: int | str,
    games: int,
    against: Iterable[Path | str],
    *,
    crowd: int = DEFAULT_CROWD,
    on_game: Callable[[int], None] | None = None,
) -> CrowdCheck:
    """Play *games* games with the full crowd and compare them with real ones.

    Args:
        seed: the exchange's seed.
        games: games to play.
        against: files of kind ``recorded_prices`` or ``seeded_games``, together one sample.
        crowd: size of the crowd.
        on_game: called after each game with the number of games played.

    Raises:
        UsageError: no file is given.
        InputError: a file cannot be used, or *games* is not positive.
    """
    paths = [Path(path) for path in against]
    if not paths:
        raise UsageError(
            "nothing to compare with: give --against FILE (recorded_prices, seeded_games)"
        )
    theirs = Samples()
    for path in paths:
        theirs.read(read_rows(path))
    ours = play_samples(ExchangeConfig(seed=seed, crowd=crowd), games, on_game)
    verdicts = compare(ours, theirs)
    return CrowdCheck(seed, games, crowd, tuple(str(path) for path in paths), tuple(verdicts))


def play_samples(
    config: ExchangeConfig, games: int, on_game: Callable[[int], None] | None = None
) -> Samples:
    """Play *games* games of an exchange and return the samples of every quantity from its frames."""
    ours = Samples()
    for number, (recorded, seeded) in enumerate(watch_games(config, games), start=1):
        ours.add([Row(recorded, "our game", number), Row(seeded, "our game", number)])
        if on_game is not None:
            on_game(number)
    return ours


def compare(ours: Samples, theirs: Samples) -> list[Verdict]:
    """Return a verdict for every quantity, in the order of the report."""
    verdicts: list[Verdict] = []
    for quantity in QUANTITIES:
        mine = ours.samples.get(quantity.name) or Sample()
        real = theirs.samples.get(quantity.name) or Sample()
        if quantity.kind == "law":
            law = _against_law(quantity.name, mine)
            verdicts += [] if law is None else [law]
        if not mine.values or not real.values:
            verdicts.append(
                Verdict(
                    name=quantity.name,
                    kind=quantity.kind,
                    against="files",
                    n_ours=len(mine.values),
                    n_theirs=len(real.values),
                )
            )
        elif quantity.kind == "law":
            verdicts.append(_law_verdict(quantity.name, mine, real))
        else:
            verdicts.append(_crowd_verdict(quantity, ours, theirs))
    return verdicts


def _law_verdict(name: str, mine: Sample, real: Sample) -> Verdict:
    ours, theirs = mine.array, real.array
    if name in _SHARES:
        distance = abs(float(ours.mean() - theirs.mean()))
        p = statistics.shares_p_value(int(ours.sum()), len(ours), int(theirs.sum()), len(theirs))
    else:
        distance = statistics.ks_distance(ours, theirs)
        p = statistics.ks_p_value(distance, len(ours), len(theirs))
    return Verdict(
        name=name,
        kind="law",
        against="files",
        n_ours=len(ours),
        n_theirs=len(theirs),
        games=len(set(real.games)),
        ks=distance,
        p=p,
        mean_ours=float(ours.mean()),
        mean_theirs=float(theirs.mean()),
        limit=P_LIMIT,
        passed=p >= P_LIMIT,
    )


def _against_law(name: str, mine: Sample) -> Verdict | None:
    """Compare ours with the law where it has a closed form (protocol 4.2, 4.3); None elsewhere."""
    ours = np.sort(mine.array)
    if not len(ours):
        return None
    if name in _SHARES:
        mean = _BIG_SHARE if name == "big_move_share" else 0.5
        distance = abs(float(ours.mean()) - mean)
        p = statistics.share_p_value(int(ours.sum()), len(ours), mean)
    elif name == "rug_tick":
        mean = (1 - _survival(np.array([float(rules.MAX_TICKS)]))[0]) / rules.RUG_CHANCE
        distance = statistics.ks_distance_to_law(ours, 1 - _survival(ours), 1 - _survival(ours - 1))
        p = statistics.ks_p_value(distance, len(ours))
    elif name == "big_move_size":
        mean = (rules.BIG_MOVE_MIN + rules.BIG_MOVE_MAX) / 2
        width = rules.BIG_MOVE_MAX - rules.BIG_MOVE_MIN
        reached = np.clip((ours - rules.BIG_MOVE_MIN) / width, 0.0, 1.0)
        distance = statistics.ks_distance_to_law(ours, reached)
        p = statistics.ks_p_value(distance, len(ours))
    else:
        return None
    return Verdict(
        name=name,
        kind="law",
        against="law",
        n_ours=len(ours),
        ks=distance,
        p=p,
        mean_ours=float(ours.mean()),
        mean_theirs=float(mean),
        limit=P_LIMIT,
        passed=p >= P_LIMIT,
    )


def _survival(ticks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chance that a game is alive after each of *ticks* chances to rug."""
    return np.asarray((1 - rules.RUG_CHANCE) ** ticks, dtype=np.float64)


def _crowd_verdict(quantity: Quantity, ours: Samples, theirs: Samples) -> Verdict:
    mine, real = ours.samples[quantity.name], theirs.samples[quantity.name]
    values, groups = mine.array, mine.groups
    games = sorted(set(real.games))
    near = _candidates(quantity, ours, [theirs.rug_ticks[game] for game in games])
    counted = np.bincount(near.ravel(), minlength=len(ours.rug_ticks)).astype(np.float64)
    weights = counted[groups]
    distance = statistics.ks_distance(values, real.array, weights)
    by_chance, mean_by_chance = statistics.chance_bounds(values, groups, near, CHANCE_SHARE)
    mean_ours = float(np.average(values, weights=weights))
    mean_theirs = float(real.array.mean())
    limit, mean_limit = max(KS_LIMIT, by_chance), max(MEAN_LIMIT, mean_by_chance)
    off = abs(mean_ours / mean_theirs - 1) if mean_theirs else float(mean_ours != 0)
    return Verdict(
        name=quantity.name,
        kind="crowd",
        against="files",
        n_ours=len(values),
        n_theirs=len(real.values),
        games=len(games),
        ks=distance,
        mean_ours=mean_ours,
        mean_theirs=mean_theirs,
        limit=limit,
        mean_limit=mean_limit,
        matched=quantity.by_length,
        passed=distance < limit and off <= mean_limit,
    )


def _candidates(quantity: Quantity, ours: Samples, lengths: list[int]) -> NDArray[np.int64]:
    """Return, for each real game, our games to compare it with: all, or those of similar length."""
    count = len(ours.rug_ticks)
    if not quantity.by_length:
        return np.tile(np.arange(count), (len(lengths), 1))
    order = np.argsort(ours.rug_ticks, kind="stable")
    at = np.searchsorted(np.asarray(ours.rug_ticks)[order], lengths)
    keep = min(MATCHED_GAMES, count)
    starts = np.clip(at - keep // 2, 0, count - keep)
    near: NDArray[np.int64] = order[starts[:, None] + np.arange(keep)]
    return near
