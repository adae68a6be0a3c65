"""What earlier live sessions of an account left: the profit of the day, and a halt that a crash cut short."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final

from vectra_bot.models import ActionState, ActionType, DocType, StateCause
from vectra_bot.models.times import NS_PER_S
from vectra_bot.session.recovery.killed import REASON
from vectra_bot.store.query.catalog import open_store

_MAYBE: Final = (
    ActionState.CONFIRMED, ActionState.EXECUTED_LATE, ActionState.UNKNOWN, ActionState.UNRESOLVED,
)  # fmt: skip
_DAY_NS: Final = 86_400 * NS_PER_S
# A change that nothing explains may be a deposit: only what is missing counts.
_SQL: Final = f"""
    SELECT coalesce(sum(delta_cash), 0) FROM {DocType.SERVER_STATE.value}
    WHERE mode = 'live' AND player_id = $account AND ts_ns >= $start
    AND (cause IS DISTINCT FROM '{StateCause.UNEXPLAINED.value}' OR delta_cash < 0)
"""  # noqa: S608 - the texts are constants


# An entry of which no later statement of the account was seen: nobody knows that it was not executed.
_UNSEEN: Final = f"""
    SELECT coalesce(sum(amount), 0) FROM {DocType.PLAYER_ACTION.value}
    WHERE mode = 'live' AND player_id = $account AND ts_ns >= $start AND state_after_cash IS NULL
    AND action_type NOT IN ({", ".join(f"'{kind.value}'" for kind in ActionType if not kind.is_entry)})
    AND state IN ({", ".join(f"'{state.value}'" for state in _MAYBE)})
"""  # noqa: S608 - as above
_LAST: Final = f"""
    SELECT kind, message FROM {DocType.SYSTEM_EVENT.value}
    WHERE kind LIKE 'operator.%' AND session_id = (
        SELECT session_id FROM {DocType.SERVER_STATE.value}
        WHERE mode = 'live' AND player_id = $account ORDER BY ts_ns DESC, seq DESC LIMIT 1
    )
    ORDER BY seq
"""  # noqa: S608 - as above
_HALTS: Final = (
    "operator.halt", "operator.reduce", "operator.flatten", "operator.disarm", "operator.stop",
)  # fmt: skip


def halted_before(store: Path, account: str) -> str:
    """Return why the last live session of *account* was halted when it was killed, "" if it was not.

    Args:
        store: the store of live sessions; its killed sessions are recovered.
        account: id of the account.

    Raises:
        StoreError: the store cannot be read.
    """
    if not _has(store, DocType.SERVER_STATE, DocType.SYSTEM_EVENT):
        return ""
    with open_store(store) as catalog:
        found = catalog.sql(_LAST, {"account": account}).rows
    if ("operator.stop", REASON) not in found:
        return ""  # it was not killed
    halt = ""
    for kind, message in found:
        if kind == "operator.resume":
            halt = ""
        elif kind in _HALTS and message != REASON:
            halt = f"{kind.removeprefix('operator.')} of the killed session ({message})"
    return halt


def _has(store: Path, *kinds: DocType) -> bool:
    return all((store / f"doc_type={kind.value}").is_dir() for kind in kinds)


def day_start_pnl(store: Path, account: str, now_ns: int) -> Decimal:
    """Return what earlier live sessions of this day (UTC) changed of the cash of *account*, in SOL.

    An entry whose effect no statement of the account shows counts as lost.

    Args:
        store: the store of live sessions; its killed sessions are recovered.
        account: id of the account.
        now_ns: the time, nanoseconds since the epoch.

    Raises:
        StoreError: the store cannot be read.
    """
    if not _has(store, DocType.SERVER_STATE, DocType.PLAYER_ACTION):
        return Decimal(0)
    start_ns = now_ns - now_ns % _DAY_NS
    with open_store(store) as catalog:
        stated, unseen = (
            Decimal(str(catalog.sql(text, {"account": account, "start": start_ns}).rows[0][0]))
            for text in (_SQL, _UNSEEN)
        )
    return stated - unseen


__all__ = ["day_start_pnl", "halted_before"]
