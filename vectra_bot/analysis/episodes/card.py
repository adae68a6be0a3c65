"""The card of a dataset: what is in it, where it is from and what it lacks; for programs and for people."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from vectra_bot.analysis.episodes.columns import ACTION, OBSERVATION, TRADES
from vectra_bot.analysis.episodes.fold import Episode
from vectra_bot.analysis.episodes.imitation import SeenTrades
from vectra_bot.analysis.episodes.source import StoreSource, law_versions
from vectra_bot.analysis.episodes.split import NAMES, Shares
from vectra_bot.errors import VectraError
from vectra_bot.game import rules
from vectra_bot.journal import journal_directory, read_header
from vectra_bot.models import SCHEMA_VERSION
from vectra_bot.store.remote.address import LocalStore, parse_store

CARD: Final = "card.json"
"""Name of the card for programs."""

FORMATS: Final = ("parquet", "minari")

EMBEDDED: Final = "embedded"
_LICENCE: Final = "MIT"
_UNKNOWN: Final = "not stated: recordings of a venue may be subject to its terms"
_BLOCK: Final = 1 << 20


@define
class SetTotals:
    """Counts of one set."""

    games: set[str] = field(factory=set)
    episodes: int = 0
    rows: int = 0
    actions: int = 0
    return_lamports: int = 0
    first_ns: int | None = None
    last_ns: int | None = None

    def span(self, started_ns: int) -> None:
        """Note a game that began at *started_ns*."""
        self.first_ns = min(started_ns, started_ns if self.first_ns is None else self.first_ns)
        self.last_ns = max(started_ns, started_ns if self.last_ns is None else self.last_ns)

    def to_json(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "games": len(self.games),
            "episodes": self.episodes,
            "rows": self.rows,
            "actions": self.actions,
            "return_lamports": self.return_lamports,
            "first_game_ns": self.first_ns,
            "last_game_ns": self.last_ns,
        }


@define
class Totals:
    """Counts of a dataset."""

    sets: dict[str, SetTotals] = field(factory=lambda: {name: SetTotals() for name in NAMES})
    records: Counter[str] = field(factory=Counter)
    gaps: int = 0
    joined_late: int = 0
    truncated: int = 0
    without_actions: int = 0
    players: set[str] = field(factory=set)
    trades_seen: SeenTrades | None = None

    def add_episode(self, name: str, episode: Episode, started_ns: int) -> None:
        """Count an episode of the set *name*."""
        totals = self.sets[name]
        totals.games.add(episode.record.game_id)
        totals.episodes += 1
        totals.rows += len(episode.rewards)
        totals.actions += len(episode.actions)
        totals.return_lamports += sum(episode.rewards)
        totals.span(started_ns)
        self.records[episode.source] += 1
        self.gaps += episode.gaps
        self.joined_late += episode.joined_late
        self.truncated += not episode.terminated
        self.without_actions += not episode.actions

    def add_trades(self, name: str, rows: Sequence[Mapping[str, Any]], started_ns: int) -> None:
        """Count the trades of a game of the set *name*."""
        totals = self.sets[name]
        totals.games.add(rows[0]["game_id"])
        totals.rows += len(rows)
        totals.span(started_ns)
        self.players.update(row["player_id"] for row in rows)


def card_of(
    folder: Path,
    source: StoreSource,
    totals: Totals,
    *,
    form: str,
    imitation: bool,
    shares: Shares,
    licence: str | None,
    content: str,
    tests: int,
    rows_by_session: Mapping[str, int],
) -> dict[str, Any]:
    """Return the card of the files in *folder*; nothing in it depends on when or where they were made.

    Raises:
        StoreError: the store cannot be read.
    """
    sessions = [_session(source, session, rows) for session, rows in rows_by_session.items()]
    laws = sorted({law for session in sessions for law in session["law_versions"]})
    embedded = all(session["venue"] == EMBEDDED for session in sessions)
    return {
        "format": form,
        "kind": "imitation" if imitation else "episodes",
        "content_sha256": content,
        "licence": licence or (_LICENCE if embedded else _UNKNOWN),
        "law_versions": laws,
        "versions": _versions(form),
        "shares": [str(shares.train), str(shares.validation), str(shares.test)],
        "sets": {name: totals.sets[name].to_json() for name in NAMES},
        "sessions": sessions,
        "coverage": _coverage(source, totals),
        "leak_check": {"leaks": 0, "tests": tests},
        "files": list(_files(folder)),
    }


def _coverage(source: StoreSource, totals: Totals) -> dict[str, Any]:
    """Return what the dataset lacks, or what part of the trades was seen."""
    coverage = source.coverage
    found: dict[str, Any] = {
        "sessions_read": coverage.sessions,
        "sessions_unfinished": coverage.unfinished_sessions,
        "games_seen": coverage.games_seen,
        "episodes_truncated": totals.truncated,
        "episodes_joined_late": totals.joined_late,
        "ticks_missed": totals.gaps,
        "records": {name: totals.records[name] for name in ("stored", "different", "computed")},
        "rows_skipped": dict(sorted(coverage.skipped_rows.items())),
    }
    if totals.trades_seen is not None:
        seen = totals.trades_seen
        found |= {
            "players": len(totals.players),
            "trades": seen.seen,
            "trades_stated": seen.stated,
            "trades_seen_of_stated": seen.seen_where_stated,
            "games_with_stated_count": seen.games_with_count,
            "share_seen": seen.share,
        }
    return found


def _versions(form: str) -> dict[str, str]:
    found = {
        "vectra-bot": version("vectra-bot"),
        "schema": SCHEMA_VERSION,
        "pyarrow": version("pyarrow"),
    }
    if form == "minari":
        found |= {name: version(name) for name in ("minari", "gymnasium")}
    return found


def _session(source: StoreSource, session: str, rows: int) -> dict[str, Any]:
    """Return what is known of a session; from its journal's header, if the store still has it."""
    row = source.catalog.sql(
        "SELECT min(mode), min(venue) FROM game_tick WHERE session_id = $session",
        {"session": session},
    ).rows[0]
    header = _header(source.catalog.location, session)
    strategy = header.get("strategy")
    strategy = strategy if isinstance(strategy, dict) else {}
    venue = row[1]
    laws = law_versions(source.catalog, session)
    return {
        "session_id": session,
        "mode": row[0],
        "venue": venue,
        "rows": rows,
        "law_versions": laws or ([rules.LAW_VERSION] if venue == EMBEDDED else []),
        "seed": header.get("seed"),
        "strategy": strategy.get("name"),
        "strategy_sha256": strategy.get("source_sha256"),
    }


def _header(location: str, session: str) -> Mapping[str, Any]:
    try:
        store = parse_store(location)
        if not isinstance(store, LocalStore):
            return {}
        return read_header(journal_directory(store.path, session))
    except (VectraError, OSError, ValueError):
        return {}


def _files(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
            name = path.relative_to(folder).as_posix()
            yield {"path": name, "bytes": path.stat().st_size, "sha256": digest.hexdigest()}


_LOAD_PARQUET: Final = """```sql
SELECT episode_id, sum(reward) / 1e9 AS sol FROM 'train/{table}.parquet' GROUP BY ALL
```"""
_LOAD_TRADES: Final = """```sql
SELECT action_type, count(*) FROM 'train/trades.parquet' GROUP BY ALL
```"""
_LOAD_MINARI: Final = """```sh
MINARI_DATASETS_PATH=THIS_FOLDER python -c "import minari; print(minari.load_dataset('train-v0'))"
```"""


def readme_of(card: Mapping[str, Any]) -> str:
    """Return the card for people, in Markdown."""
    imitation, coverage = card["kind"] == "imitation", card["coverage"]
    what = "Trades of other players" if imitation else "Episodes of a bot"
    lines = [
        f"# {what} on rugs.fun",
        "",
        f"Written by vectra-bot {card['versions']['vectra-bot']}; `{CARD}` says the same for programs.",
        "Amounts are lamports (1e-9 SOL), quantities 1e-9 units, ticks 250 ms.",
        "",
        f"- Licence: {' '.join(str(card['licence']).split())}",
        f"- Content: SHA-256 `{card['content_sha256']}`",
        f"- Versions of the price law: {', '.join(card['law_versions']) or 'not stated'}",
        f"- Venues: {', '.join(sorted({_plain(s['venue']) for s in card['sessions']}))}",
        f"- Sessions: {len(card['sessions'])}; unfinished: {coverage['sessions_unfinished']}",
        "",
        "| set | games | episodes | rows | return (lamports) |",
        "|---|---|---|---|---|",
    ]
    for name in NAMES:
        one = card["sets"][name]
        lines.append(
            f"| {name} | {one['games']} | {one['episodes']} | {one['rows']} | {one['return_lamports']} |"
        )
    lines += [
        "",
        "Sets are by game and time: each game is in one set, later sets have later games.",
        "",
    ]
    lines += _trades_text(coverage) if imitation else _episodes_text(coverage)
    form = _LOAD_TRADES if imitation else _LOAD_PARQUET.format(table="steps")
    lines += ["", "## Load", "", _LOAD_MINARI if card["format"] == "minari" else form, ""]
    columns = TRADES if imitation else (*OBSERVATION, *ACTION)
    lines += ["## Columns", "", "| column | type | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| `{c.name}` | {c.kind} | {c.unit} | {c.meaning} |" for c in columns]
    return "\n".join(lines) + "\n"


def _episodes_text(coverage: Mapping[str, Any]) -> list[str]:
    records = coverage["records"]
    made = (
        f"Records: {records['stored']} as the engine stored them, {records['computed']} computed, "
        f"{records['different']} stored ones that the documents do not confirm."
    )
    lacking = (
        f"Missing: {coverage['ticks_missed']} ticks; {coverage['episodes_joined_late']} games joined late, "
        f"{coverage['episodes_truncated']} ended by their session."
    )
    return [made, lacking]


def _trades_text(coverage: Mapping[str, Any]) -> list[str]:
    share = coverage["share_seen"]
    seen = "unknown" if share is None else f"{share:.1%}"
    text = (
        f"The public trade stream is a sample: never add up volumes. {coverage['trades']} trades of "
        f"{coverage['players']} players; of the {coverage['trades_stated']} trades that the venue counted in "
        f"{coverage['games_with_stated_count']} games, {seen} were seen. Rewards are not known."
    )
    return [text]


def _plain(text: object) -> str:
    """Return *text* without what Markdown or a terminal would act on."""
    return "".join(c if c.isalnum() or c in "._:-" else "?" for c in str(text))
