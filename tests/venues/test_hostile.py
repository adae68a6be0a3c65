"""The live client against every entry of the corpus of hostile frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.venues.hostile_attack import Attack
from tests.venues.hostile_corpus import CORPUS
from tests.venues.live_kit import quick, watched, written
from tests.venues.raw_venue import RawVenue
from vectra_bot.errors import WireError
from vectra_bot.models import Event, Frame
from vectra_bot.wire.decode import decode

LEAST = 60


def test_the_corpus_is_large() -> None:
    """Each entry has its name."""
    assert len({entry.name for entry in CORPUS}) == len(CORPUS) >= LEAST


def test_each_text_is_one_event_or_one_error() -> None:
    """What is passed on is decoded, or refused with a reason, by which a session counts it."""
    for entry in CORPUS:
        for raw in entry.texts:
            found: Event | None = None
            refused = WireError("none", "")
            try:
                found = decode(Frame(1, raw))
            except WireError as error:
                refused = error

            assert isinstance(found, Event) or refused.reason != "none"
            assert len(str(refused)) < 1_000


@pytest.mark.timeout(300)
async def test_the_live_client_survives_the_corpus(tmp_path: Path) -> None:
    """Each is accounted for; the link lives or is rebuilt, and the frames after it are all there."""
    async with (
        RawVenue() as raw,
        watched(raw.url, written(tmp_path), settings=quick(reconnects=1_000)) as seen,
    ):
        attack = Attack(raw, seen)
        for entry in CORPUS:
            await attack.send(entry)
        attack.in_order()

    assert attack.problems == []
