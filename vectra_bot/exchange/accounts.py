"""A player's money at the venue, with every flow in and out of it counted."""

from __future__ import annotations

from attrs import define, field

from vectra_bot.exchange.config import EvidenceDelays
from vectra_bot.game.ledger import Ledger
from vectra_bot.wire.payloads import LeaderboardRow


@define
class Flows:
    """Sums of an account's money movements since it was opened, lamports, all non-negative."""

    bought: int = 0
    sold: int = 0
    staked: int = 0
    paid_out: int = 0
    deposited: int = 0


@define(eq=False, kw_only=True)
class Account:
    """One player: who he is, his ledger, and his connection if he has one.

    ``joined`` tells whether he has done anything in the running game; ``rank`` is his place in the full
    leaderboard, from 1. ``holding`` tells whether a price can change his PnL; while none can, ``flat_pnl``
    and ``flat_row`` keep what was computed last. ``last_due_ns`` is when the last message to him leaves:
    later-caused evidence never overtakes it.
    """

    player_id: str
    username: str | None
    level: int
    ledger: Ledger
    cash_start: int
    flows: Flows = field(factory=Flows)
    joined: bool = False
    rank: int = 0
    holding: bool = False
    flat_pnl: int | None = None
    flat_row: LeaderboardRow | None = None
    delays: EvidenceDelays | None = None
    last_due_ns: int = 0
    interacted: bool = False

    def touch(self) -> None:
        """Forget what was computed: a trade, a stake or a settlement has changed the numbers."""
        self.holding = self.ledger.position_qty > 0
        self.flat_pnl = None
        self.flat_row = None

    @property
    def connected(self) -> bool:
        """Return True for a client, False for a player of the crowd."""
        return self.delays is not None

    def balance_by_flows(self) -> int:
        """Return what the cash must be by the flows alone: the books balance if it equals the ledger's."""
        flows = self.flows
        return (
            self.cash_start
            + flows.deposited
            - flows.bought
            + flows.sold
            - flows.staked
            + flows.paid_out
        )


class Books:
    """All accounts of the venue by player id, in the order in which they were opened."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self.clients: list[Account] = []

    def open(self, player_id: str, username: str | None, level: int, cash: int) -> Account:
        """Return a new account with *cash* lamports."""
        account = Account(
            player_id=player_id,
            username=username,
            level=level,
            ledger=Ledger(cash),
            cash_start=cash,
        )
        self._accounts[player_id] = account
        return account

    def get(self, player_id: str) -> Account | None:
        """Return the account of *player_id*, None if there is none."""
        return self._accounts.get(player_id)

    def all(self) -> tuple[Account, ...]:
        """Return every account, the crowd's included."""
        return tuple(self._accounts.values())
