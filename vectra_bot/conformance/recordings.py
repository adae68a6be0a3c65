"""Verify a recording of frames: every game against the seed it shows, and its sidebets by their rules.

The same audit as while recording (:mod:`vectra_bot.audit`), over a capture file or a journal, without an
engine or a store. A capture without a finished game has nothing to verify and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from attrs import Factory, define, field

from vectra_bot.audit.auditor import UNVERIFIED_KIND, FairAuditor
from vectra_bot.audit.findings import FINISHED_KIND, FailedGame
from vectra_bot.conformance import frame_rows
from vectra_bot.conformance.findings import FileDifference, Verification
from vectra_bot.conformance.frames.capture_rows import Row, shown
from vectra_bot.conformance.frames.frame_capture import of_text
from vectra_bot.conformance.settled_sidebets import sidebet_differences
from vectra_bot.engine.auditing import Findings
from vectra_bot.errors import InputError, WireError
from vectra_bot.game import rules
from vectra_bot.game.fair import Difference
from vectra_bot.game.state import GameState
from vectra_bot.journal import read_journal
from vectra_bot.kernel.play import play_game
from vectra_bot.models import Direction, FinishedGame, Frame, GameFrame, SystemEvent
from vectra_bot.venues.replay import CaptureFeed, detect_recording
from vectra_bot.wire.decode import decode

COUNTS: Final = (
    "frames",
    "quarantined",
    "games",
    "exact",
    "failed",
    "unverified",
    "seen",
    "sidebets",
    "sidebets_exact",
    *frame_rows.COUNTS,
)
_FOREIGN: Final = ("price", "prices", "price count", "rugPrice", "rugTick", "peakMultiplier")


@define
class _Recording:
    """Folds the frames of a recording and reports what is wrong with it."""

    found: Verification
    auditor: FairAuditor = Factory(lambda: FairAuditor("verify"))
    state: GameState = Factory(GameState)
    rows: frame_rows.FrameRows = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rows = frame_rows.FrameRows(self.found)

    def take(self, line: int, frame: Frame) -> None:
        """Process a frame; one that cannot be decoded is counted."""
        if frame.direction is not Direction.IN or frame.truncated:
            return
        self.found.count("frames")
        try:
            event = decode(frame)
        except WireError as error:
            self.found.count("quarantined")
            wrong = Difference("frame", None, "a frame that can be decoded", str(error))
            self.found.report("", line, [wrong])
            return
        seen = of_text(frame.raw, place=line, capture="", at_s=0.0, outbound=False)
        if seen is not None:
            self.rows.take(line, event, seen.event, seen.body)
        if isinstance(event, GameFrame):
            for change in self.state.fold(event):
                self.auditor.on_change(change)
            self._report(line, self.auditor.on_frame(event))
            for game in event.history:
                self._close(game)

    def end(self, line: int) -> None:
        """Report the games whose seed was not shown."""
        self._report(line, self.auditor.on_ending(0))
        self.rows.end()
        self.found.counts["failed"] = self.auditor.counts.alerts

    def _close(self, game: FinishedGame) -> None:
        """Compare the rows of a game that is over with the prices of its seed, unless that is another's."""
        if not self.rows.waits_for(game.game_id):
            return
        foreign = any(
            known.game == game.game_id and known.difference.what == "serverSeed"
            for known in self.found.differences
        )
        prices = None
        if not foreign and game.version in rules.LAW_VERSIONS:
            prices = play_game(game.server_seed, game.game_id, game.version).published_prices
        self.rows.close(game.game_id, prices, json.loads(game.sidebets_json))

    def _report(self, line: int, findings: Findings) -> None:
        failed = {game.game_id: _brief(game) for game in self.auditor.failed}
        self.auditor.failed.clear()
        # A sidebet that differs from the law differs from the history's other frames too.
        reported = {known.game for known in self.found.differences if known.sidebet is not None}
        for game_id, differences in failed.items():
            rest = [d for d in differences if not d.what.startswith("globalSidebets ")]
            self.found.report(game_id, line, rest if game_id in reported else differences)
        for finding in findings:
            record = finding.record
            if not isinstance(record, SystemEvent):
                continue
            if record.kind == FINISHED_KIND:
                self._finished(line, finding.game_id, json.loads(record.detail_json), failed)
            self.found.count("unverified", record.kind == UNVERIFIED_KIND)

    def _finished(
        self, line: int, game_id: str, detail: dict[str, Any], failed: dict[str, list[Difference]]
    ) -> None:
        found, verdict = self.found, detail["verdict"]
        found.count("games")
        found.count("exact", verdict == "verified")
        found.count("unverified", verdict == "unverified")
        found.count("seen", detail["seen"])
        # A seed that gives another game says nothing about the sidebets of this one.
        if detail["rug_tick"] is None or any(
            difference.what == "serverSeed" for difference in failed.get(game_id, ())
        ):
            return
        row = Row({"sidebets": detail["sidebets"]}, f"{found.file}, line {line}", line)
        settled, wrong = sidebet_differences(
            row.rows("sidebets"), game_id, detail["rug_tick"], detail["rug_price"]
        )
        found.count("sidebets", settled)
        found.count("sidebets_exact", settled - len({bet for bet, _ in wrong}))
        found.differences.extend(FileDifference(game_id, d, line, bet) for bet, d in wrong)


def _brief(game: FailedGame) -> list[Difference]:
    """Return the differences of a game; one if the seed is of another game, not one for every price."""
    differences = list(game.differences)
    wrong = [d for d in differences if d.what in _FOREIGN]
    if differences[0].what == "serverSeedHash" and wrong:
        digest, stated = differences[0].expected, differences[0].found
        return [Difference("serverSeed", None, stated, digest)]
    return differences


def is_recording(path: Path) -> bool:
    """Return whether *path* is a capture of frames or a journal."""
    try:
        detect_recording(path)
    except InputError:
        return False
    return True


def verify_recording(path: Path) -> Verification:
    """Verify the games and sidebets of a capture of frames or of a journal.

    ``line`` of a difference is the row that shows it, or the number of the journal's entry.

    Raises:
        InputError: a row is not a frame, or no frame shows the seed of a finished game.
        JournalError: the journal is corrupt.
    """
    kind = detect_recording(path)
    recording = _Recording(Verification(kind, shown(path), dict.fromkeys(COUNTS, 0)))
    line = 0
    for line, frame in _frames(path, kind):
        recording.take(line, frame)
    recording.end(line)
    found = recording.found
    if not found.counts["games"]:
        raise InputError(
            f"{found.file} shows no finished game with its seed: nothing can be verified; seeds are in "
            "the gameHistory of the frames between two games"
        )
    return found


def _frames(path: Path, kind: str) -> Iterator[tuple[int, Frame]]:
    if kind == "journal":
        with closing(read_journal(path)) as journal:
            for entry in journal:
                if entry.kind == "frame":
                    yield entry.seq, entry.frame()
        return
    for row, _, item in CaptureFeed(path).placed():
        if isinstance(item, Frame):
            yield row.number, item
