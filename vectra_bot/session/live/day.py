"""What the live sessions of a day won or lost, from the store."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final

from vectra_bot.models import DocType, StateCause
from vectra_bot.models.times import NS_PER_S
from vectra_bot.store.query.catalog import open_store

_DAY_NS: Final = 86_400 * NS_PER_S
# A change that nothing explains may be a deposit: only what is missing counts.
_SQL: Final = f"""
    SELECT coalesce(sum(delta_cash), 0) FROM {DocType.SERVER_STATE.value}
    WHERE mode = 'live' AND player_id = $account AND ts_ns >= $start
    AND (cause IS DISTINCT FROM '{StateCause.UNEXPLAINED.value}' OR delta_cash < 0)
"""  # noqa: S608 - the texts are constants


def day_start_pnl(store: Path, account: str, now_ns: int) -> Decimal:
    """Return what earlier live sessions of this day (UTC) changed of the cash of *account*, in SOL.

    Args:
        store: the store of live sessions; its killed sessions are recovered.
        account: id of the account.
        now_ns: the time, nanoseconds since the epoch.

    Raises:
        StoreError: the store cannot be read.
    """
    if not (store / f"doc_type={DocType.SERVER_STATE.value}").is_dir():
        return Decimal(0)
    start_ns = now_ns - now_ns % _DAY_NS
    with open_store(store) as catalog:
        found = catalog.sql(_SQL, {"account": account, "start": start_ns})
    return Decimal(str(found.rows[0][0]))


__all__ = ["day_start_pnl"]
