"""Rules about the side games (protocol 11; unverified)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from vectra_bot import AlertDraft, AlertRule, Round
from vectra_bot.models import AlertType, SideGameKind

if TYPE_CHECKING:
    from vectra_plugins.alerts.rules import Alerts

MAX_ROOMS = 64


class BullBearCrabRounds(AlertRule):
    """A round of Bull/Bear/Crab accepts stakes; what its best choice is worth (unverified).

    BBC_ROUND_START: a new round accepts stakes, `rounds_per_game` times in a game. Info.
    BBC_OPTIMAL_PREDICTION: the choice with the highest expected value, if that is at least `bbc_value`, once
        per game. Info.
    """

    alert_types: ClassVar = (AlertType.BBC_ROUND_START, AlertType.BBC_OPTIMAL_PREDICTION)

    def __init__(self, settings: Alerts) -> None:
        self.settings = settings
        self.announced = 0
        self.predicted = False

    def on_game_start(self) -> None:
        self.announced, self.predicted = 0, False

    def on_side_round(self, side_round: Round) -> Iterator[AlertDraft]:
        if side_round.side_game is not SideGameKind.BBC or not side_round.is_open:
            return
        if self.announced < self.settings.rounds_per_game:
            self.announced += 1
            yield self.alert(
                "Bull/Bear/Crab",
                f"Round {side_round.round_id} accepts stakes.",
                alert_type=AlertType.BBC_ROUND_START,
                data={"round_id": side_round.round_id},
                expires_s=15,
            )
        if not self.predicted:
            yield from self._predict(side_round)

    def _predict(self, side_round: Round) -> Iterator[AlertDraft]:
        chances = self.model.round_chances(side_round)
        values = {
            choice: chances[choice] * payout - 1
            for choice, payout in side_round.payouts.items()
            if choice in chances
        }
        if not values:
            return
        choice = max(values, key=lambda one: (round(values[one], 9), chances[one], one))
        if values[choice] < self.settings.bbc_value:
            return
        self.predicted = True
        law = "" if self.model.name != "law" else " By the documented odds no choice has an edge."
        yield self.alert(
            f"Bull/Bear/Crab: {choice}",
            f"{choice} wins with a chance of {chances[choice]:.2%} (unverified); its expected value is "
            f"{values[choice]:+.2%} of the stake.{law}",
            alert_type=AlertType.BBC_OPTIMAL_PREDICTION,
            data={
                "model": self.model.name,
                "event": "round",
                "round_id": side_round.round_id,
                "choice": choice,
                "payout_x": side_round.payouts[choice],
                "probability": chances[choice],
                "bet": "round",
                "expected_value": values[choice],
                "unverified": True,
            },
            expires_s=15,
        )


class CandleflipRounds(AlertRule):
    """A round of Candleflip accepts stakes; a room has the same result several times in a row (unverified).

    CANDLEFLIP_ROUND_START: a new round accepts stakes, `rounds_per_game` times in a game. Info.
    CANDLEFLIP_STREAK_ALERT: one room had `candleflip_streak` equal results in a row. Info.
    """

    alert_types: ClassVar = (
        AlertType.CANDLEFLIP_ROUND_START,
        AlertType.CANDLEFLIP_STREAK_ALERT,
    )

    def __init__(self, settings: Alerts) -> None:
        self.settings = settings
        self.announced = 0
        self.streaks: dict[int | None, tuple[str, int]] = {}

    def on_game_start(self) -> None:
        self.announced = 0

    def on_side_round(self, side_round: Round) -> AlertDraft | None:
        if side_round.side_game is not SideGameKind.CANDLEFLIP:
            return None
        if side_round.result is not None:
            return self._streak(side_round, side_round.result)
        if not side_round.is_open or self.announced >= self.settings.rounds_per_game:
            return None
        self.announced += 1
        return self.alert(
            "Candleflip",
            f"Round {side_round.round_id} accepts stakes.",
            alert_type=AlertType.CANDLEFLIP_ROUND_START,
            data={"round_id": side_round.round_id, "room": side_round.room},
            expires_s=15,
        )

    def _streak(self, side_round: Round, result: str) -> AlertDraft | None:
        room = side_round.room
        before, count = self.streaks.get(room, ("", 0))
        count = count + 1 if before == result else 1
        if room not in self.streaks and len(self.streaks) >= MAX_ROOMS:
            self.streaks.clear()
        self.streaks[room] = (result, count)
        if count != self.settings.candleflip_streak:
            return None
        where = "" if room is None else f" in room {room}"
        return self.alert(
            f"{count} times {result}",
            f"Candleflip had {result} {count} times in a row{where} (unverified). The next result does not "
            "depend on it.",
            alert_type=AlertType.CANDLEFLIP_STREAK_ALERT,
            data={"result": result, "count": count, "room": room},
            expires_s=30,
        )
