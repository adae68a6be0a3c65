"""Planted bugs: one exact replacement of code in one file each, and the tests that claim to notice it.

A text that is replaced is code, never a docstring, comment or message, and is in its file exactly once.
"""

from __future__ import annotations

from attrs import frozen

LEDGER = "tests/game/test_ledger_model.py"
LOTS = "tests/game/test_lots.py"
ACCOUNT = "tests/game/test_account_model.py"
MONEY = "tests/actions/test_money_model.py"
TRACKER = "tests/actions/test_tracker.py"
EDGES = "tests/actions/test_edges.py"
LIMITS = "tests/actions/test_limits_model.py"
INTERFACE = "tests/actions/test_interface.py"
RECOVERY = "tests/session/test_recovery_model.py"
PACKET = "tests/wire/test_packet_model.py"
DECODE = "tests/wire/test_decode.py"
OVERFLOW = "tests/venues/test_overflow_model.py"
REVIEW = "tests/plugins/test_review_model.py"
AUDIT = "tests/audit/test_claims_model.py"
STREAM = "tests/exchange/test_stream_model.py"
LOCKS = "tests/journal/test_lock_model.py"
CRASH = "tests/journal/test_journal_crash.py"
DURABILITY = "tests/journal/test_durability_model.py"
FAIR = "tests/game/test_fair.py"
ENGINE = "tests/engine/test_engine.py"
SECRETS = "tests/store/test_secrets.py"
TOKENS = "tests/server/test_tokens.py"
RUN = "tests/session/test_run.py"


@frozen
class Bug:
    """``old`` in ``file`` becomes ``new``; ``tests`` notice it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _bugs(file: str, tests: tuple[str, ...], *rows: tuple[str, str, str]) -> list[Bug]:
    return [Bug(name, f"vectra_bot/{file}", old, new, tests) for name, old, new in rows]


_MONEY = [
    *_bugs(
        "game/ledger.py",
        (LEDGER,),
        (
            "ledger-bonus-last",
            "bonus = min(self.bonus, amount)",
            "bonus = max(0, amount - self.cash)",
        ),
        (
            "ledger-sale-above-the-floors",
            "amount = self._pay(sum(lot_value(lot, price) for lot in sold), cost)",
            "amount = self._pay(sum(lot_value(lot, price) for lot in sold) + len(sold) - 1, cost)",
        ),
        ("ledger-sidebet-bonus", "bonus = payout * bet.bonus // bet.amount", "bonus = 0"),
        ("ledger-short-bonus", "bonus = paid * short.bonus // short.amount", "bonus = 0"),
        (
            "ledger-invested-falls",
            "self._net_in_peak = max(self._net_in_peak, self._net_in)",
            "self._net_in_peak = self._net_in",
        ),
        (
            "ledger-max-win-forgets-the-stake",
            "return min(amount, max(0, self.max_win - won + cost))",
            "return min(amount, max(0, self.max_win - won))",
        ),
        (
            "ledger-valid-bet-late",
            "if tick - lot.tick >= rules.VALID_BET_TICKS]",
            "if tick - lot.tick > rules.VALID_BET_TICKS]",
        ),
        (
            "ledger-two-sidebets",
            "if self.sidebet is not None:\n            raise",
            "if False:\n            raise",
        ),
        (
            "ledger-sidebet-window",
            "return rug_tick <= start_tick + rules.SIDEBET_WINDOW_TICKS",
            "return rug_tick < start_tick + rules.SIDEBET_WINDOW_TICKS",
        ),
        ("ledger-more-than-free", "if amount > self.free:", "if amount > self.free + 1:"),
    ),
    *_bugs(
        "game/lots.py",
        (LEDGER, LOTS),
        (
            "lots-cost-rounded-up",
            "cost, bonus = lot.cost * qty // lot.qty,",
            "cost, bonus = -(-lot.cost * qty // lot.qty),",
        ),
        ("lots-liquidation-late", "and price <= limit", "and price < limit"),
        (
            "lots-below-nothing",
            "return max(0, leveraged_top(lot, top, bottom) // bottom)",
            "return leveraged_top(lot, top, bottom) // bottom",
        ),
        (
            "lots-newest-first",
            "for index, lot in enumerate(lots):",
            "lots = list(lots)[::-1]\n    for index, lot in enumerate(lots):",
        ),
    ),
    *_bugs(
        "game/account.py",
        (ACCOUNT,),
        (
            "account-explained-by-cash-alone",
            "if effect.delta_cash == delta_cash and effect.delta_qty == delta_qty:",
            "if effect.delta_cash == delta_cash:",
        ),
        (
            "account-shown-by-cash-alone",
            "if change.delta_cash == delta_cash and change.delta_qty == delta_qty:",
            "if change.delta_cash == delta_cash:",
        ),
        (
            "account-sum-by-cash-alone",
            "if count > 1 and sum_cash == delta_cash and sum_qty == delta_qty:",
            "if count > 1 and sum_cash == delta_cash:",
        ),
        (
            "account-equity-without-sidebet",
            "total += to_lamports(self.sidebet.amount - self.sidebet.bonus)",
            "total += 0",
        ),
        ("account-equity-without-rounds", "total += self.staked", "total += 0"),
        (
            "account-sidebet-bonus",
            "bonus = payout * to_lamports(bet.bonus) // to_lamports(bet.amount)",
            "bonus = 0",
        ),
        (
            "account-bonus-unchecked",
            "return min(amount, self.bonus if stated is None else to_lamports(stated))",
            "return amount if stated is None else min(amount, to_lamports(stated))",
        ),
        (
            "account-pending-for-ever",
            "fresh = [e for e in self._pending if update.recv_ns - e.since_ns < PENDING_NS]",
            "fresh = list(self._pending)",
        ),
        (
            "account-shown-for-ever",
            "fresh = [c for c in self._unexplained if self.now_ns - c.update.recv_ns < PENDING_NS]",
            "fresh = list(self._unexplained)",
        ),
        (
            "account-bonus-stays",
            "self.bonus += effect.delta_bonus\n        self._pending.append(",
            "self._pending.append(",
        ),
        (
            "account-not-corrected",
            "self.cash = cash\n        self._correct_lots(",
            "self._correct_lots(",
        ),
        (
            "account-stake-stays",
            "self.stakes.pop(key, None)\n        self._paid(",
            "self.stakes.get(key)\n        self._paid(",
        ),
    ),
    *_bugs(
        "exchange/accounts.py",
        (STREAM,),
        (
            "house-ignores-bonus",
            "self.house.add(money, entry, bonus - amount)",
            "self.house.add(money, entry, -amount)",
        ),
    ),
    *_bugs(
        "exchange/market.py",
        (STREAM,),
        (
            "practice-in-the-stream",
            "if not account.is_practice and (\n",
            "if (\n",
        ),
        (
            "practice-counts-as-golden",
            "if not account.is_practice:\n            account.golden",
            "if True:\n            account.golden",
        ),
    ),
]

_CORRELATION = [
    *_bugs(
        "actions/tracker.py",
        (MONEY, TRACKER, EDGES),
        ("trade-booked-twice", "if trade.trade_id in self._trades:", "if False:"),
        (
            "update-proves-the-oldest",
            "if len(candidates) != 1 or not self._explains(",
            "if not candidates or not self._explains(",
        ),
        ("old-trade-opens-a-position", "if trade.game_id != self.game.game_id:", "if False:"),
        ("drawing-paid-twice", "if key in self._drawings:", "if False:"),
        (
            "link-lost-unnoticed",
            "self.book.on_disconnected(reason)\n        self.stakes",
            "self.stakes",
        ),
        (
            "sale-of-another-share",
            "and abs(-seen.delta_qty - wanted) <= 1",
            "and -seen.delta_qty > 0",
        ),
        (
            "stake-of-another-size",
            "if kind.is_entry and seen.delta_cash + seen.delta_bonus != -to_lamports(action.amount or 0):",
            "if kind.is_entry and seen.delta_cash + seen.delta_bonus > 0:",
        ),
    ),
    *_bugs(
        "actions/sidebets.py",
        (MONEY, EDGES),
        ("sidebet-settled-twice", "if key in self._settled:", "if False:"),
    ),
    *_bugs(
        "actions/book.py",
        (MONEY, TRACKER, EDGES),
        ("unexplained-never-falls", "self._unexplained -= 1", "self._unexplained -= 0"),
        (
            "unexplained-one-more",
            "if self._unexplained >= MAX_UNEXPLAINED:",
            "if self._unexplained > MAX_UNEXPLAINED:",
        ),
        (
            "trace-of-another-kind",
            "return tracked if tracked and fits(tracked.action, kind, trade.amount) else None",
            "return tracked",
        ),
        (
            "trade-matches-the-oldest",
            "matches = len(alone) == 1 and fits(",
            "matches = bool(alone) and fits(",
        ),
        (
            "acknowledgements-in-a-queue",
            "return self._by_ack.pop(ack_id, None)",
            "return self._by_ack.popitem(last=False)[1] if self._by_ack else None",
        ),
        (
            "late-is-confirmed",
            "state = ActionState.EXECUTED_LATE if late else ActionState.CONFIRMED",
            "state = ActionState.CONFIRMED",
        ),
        (
            "open-game-proves-absence",
            "and stated.recv_ns >= rug_ns\n            and self.account.closes",
            "and stated.recv_ns >= rug_ns",
        ),
        (
            "old-statement-proves-absence",
            "and stated.recv_ns >= rug_ns\n",
            "",
        ),
    ),
]

_LIMITS = [
    *_bugs(
        "actions/risk.py",
        (LIMITS,),
        (
            "limit-in-flight",
            "if in_flight >= MAX_IN_FLIGHT and",
            "if in_flight > MAX_IN_FLIGHT and",
        ),
        (
            "limit-session-loss",
            "if worst > to_lamports(self.limits.session_loss):",
            "if worst > to_lamports(self.limits.session_loss) + 1:",
        ),
        (
            "limit-session-loss-without-stake",
            "worst = start - (free - amount)",
            "worst = start - free",
        ),
        ("limit-stake", "if amount > limit:", "if amount >= limit:"),
        (
            "limit-actions",
            "if self.sent_this_game >= self.limits.actions_per_game and",
            "if self.sent_this_game > self.limits.actions_per_game and",
        ),
        ("limit-pending-spent", "free = account.cash - at_risk", "free = account.cash"),
        (
            "resume-ends-a-lost-link",
            "self.halts = {c: r for c, r in self.halts.items() if c is HaltCause.LINK}",
            "self.halts = {}",
        ),
    ),
    *_bugs(
        "actions/book.py",
        (INTERFACE,),
        (
            "nothing-at-risk",
            "if t.action.action_type.is_entry and not t.booked",
            "if t.action.action_type.is_entry and t.booked",
        ),
    ),
    *_bugs(
        "plugins.py",
        (REVIEW,),
        (
            "review-last-reason",
            "if answer is not None and reason is None:",
            "if answer is not None:",
        ),
    ),
]

_DISK = [
    *_bugs(
        "session/shell.py",
        (RUN,),
        (
            "sent-before-the-disk",
            "await in_thread(self.journal.sync)\n            return True",
            "return True",
        ),
    ),
    *_bugs(
        "journal/writer.py",
        (DURABILITY,),
        (
            "force-syncs-nothing",
            "for segment in (*old, current):\n            segment.sync()",
            "for segment in (*old, current):\n            segment.number",
        ),
        (
            "names-not-forced",
            "files.sync_directory(self._directory)\n            self._named = current.number",
            "self._named = current.number",
        ),
    ),
    *_bugs(
        "journal/segments.py",
        (DURABILITY,),
        (
            "cut-not-forced",
            "files.truncate(fd, size)\n            files.sync_file(fd)",
            "files.truncate(fd, size)",
        ),
    ),
    *_bugs(
        "fsio/files.py",
        (CRASH,),
        (
            "file-not-forced",
            'getattr(os, "fdatasync", os.fsync)(fd)',
            'getattr(os, "fdatasync", os.fsync)',
        ),
    ),
    *_bugs(
        "journal/journal.py",
        (LOCKS,),
        (
            "lock-released-early",
            "self._let_go()\n            yield",
            "self.abandon()\n            yield",
        ),
    ),
    *_bugs(
        "fsio/locks.py",
        (LOCKS,),
        (
            "lock-shared",
            "fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
            "fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        ),
    ),
]

_RECOVERY = [
    *_bugs(
        "session/recovery.py",
        (RECOVERY,),
        (
            "recovery-decides-more",
            "self.check_due()\n        self.ended",
            "self.ended",
        ),
        (
            "recovery-forgets-the-unsent",
            "unsent = [effect.action_id for _, effect in lost if isinstance(effect, Command)]",
            "unsent: list[str] = []",
        ),
        (
            "recovery-decides-otherwise",
            "if self._due.pop(seq, None) != command:",
            "if self._due.pop(seq, None) is None:",
        ),
    ),
    *_bugs(
        "session/recovery.py",
        ("tests/session/test_recovery.py",),
        (
            "recovery-documents-twice",
            "and effect.record.action_id in documented)",
            "and False)",
        ),
        (
            "recovery-with-changed-source",
            "if source_changed(header, source):",
            "if False:",
        ),
    ),
]

_WIRE = [
    *_bugs(
        "wire/packet.py",
        (PACKET, DECODE),
        ("trace-last", "trace_id = trace_id or found", "trace_id = found or trace_id"),
        ("trace-of-the-payload", "if found.trace is UNSET:", "if False:"),
        ("payload-is-the-offset", "if bytes(last)[:1] == b'\"':", "if False:"),
        ("ack-without-id", "if not packet_id:", "if packet_id is None:"),
    ),
    *_bugs(
        "wire/decode.py",
        (PACKET, DECODE),
        (
            "ack-error-lost",
            'value.get("message", value.get("error"))',
            'value.get("message")',
        ),
        (
            "ack-truthy",
            "success = given if isinstance(given, bool) else None",
            "success = bool(given)",
        ),
    ),
    *_bugs(
        "venues/live.py",
        (OVERFLOW,),
        (
            "queued-after-a-loss",
            "if not self.lost and self.inbox.put(frame):",
            "if self.inbox.put(frame):",
        ),
    ),
    *_bugs(
        "venues/inbox.py",
        (OVERFLOW,),
        ("inbox-never-drains", "self._held -= len(item.raw)", "self._held -= 0"),
    ),
]

_LAW = [
    *_bugs(
        "game/fair.py",
        (FAIR,),
        ("law-smear", "smear ^= key[slot] * 19", "smear ^= key[slot] * 17"),
        ("law-bits", "surplus = n.bit_length() - 53", "surplus = n.bit_length() - 52"),
        (
            "law-sign",
            "change = size if r() > 0.5 else -size",
            "change = size if r() >= 0.5 else -size",
        ),
        ("law-cap", "if root > _ROOT_CAP and version", "if root >= 2 * _ROOT_CAP and version"),
    ),
    *_bugs(
        "audit/claims.py",
        (AUDIT,),
        (
            "audit-ignores-the-rug-tick",
            "if tick is not None and tick != game.rug_tick:",
            "if False:",
        ),
        (
            "audit-is-about-right",
            "elif price != game.prices[tick]:",
            "elif abs(price - game.prices[tick]) > 1e-9:",
        ),
        ("audit-first-word-counts", "elif known != price:", "elif False:"),
        ("audit-beyond-the-rug", "if tick >= game.rug_tick:", "if tick > game.rug_tick:"),
    ),
]

_DETERMINISM = [
    *_bugs(
        "actions/ids.py",
        (ENGINE, RUN, "tests/actions/test_interface.py"),
        (
            "ids-of-the-process",
            'f"{self.session_id}:{what}:{self.counter}".encode()',
            'f"{id(self)}:{what}:{self.counter}".encode()',
        ),
    ),
    *_bugs(
        "engine/core.py",
        (MONEY, EDGES),
        ("callers-decimals", "setcontext(self._context)", "getcontext()"),
        (
            "callers-decimals-lost",
            "finally:\n            setcontext(caller)",
            "finally:\n            pass",
        ),
    ),
]

_SECRETS = [
    *_bugs(
        "journal/entry.py",
        (SECRETS,),
        (
            "login-in-the-journal",
            "raw, flags = storable_text(without_login(raw)), _OUTBOUND",
            "raw, flags = storable_text(raw), _OUTBOUND",
        ),
        (
            "login-in-a-send-result",
            'data["raw"] = storable_text(without_login(event.raw))',
            'data["raw"] = storable_text(event.raw)',
        ),
    ),
    *_bugs(
        "fsio/private.py",
        (TOKENS,),
        ("token-file-open", "if status.st_mode & _OTHERS:", "if False:"),
    ),
    *_bugs(
        "params/secret.py",
        ("tests/test_secret_params.py",),
        ("secret-stored", "else dict(RECORDED)", "else value"),
        ("secret-in-a-repr", "return repr(SHOWN)", "return super().__repr__()"),
    ),
    *_bugs(
        "venues/live.py",
        ("tests/venues/test_redirects.py",),
        ("redirect-followed", "if target != seen.url.origin():", "if False:"),
    ),
    *_bugs(
        "server/origin.py",
        ("tests/server/test_origin.py",),
        ("first-origin-only", "if len(origins) == 1 else None", "if origins else None"),
        ("origin-in-upper-case", "or rest != rest.lower()", ""),
    ),
    *_bugs(
        "server/tokens.py",
        (TOKENS,),
        (
            "token-kept",
            "self._logins = {_digest(token): login for token, login in (logins or {}).items()}",
            "self._logins = {**(logins or {}), **{_digest(t): o for t, o in (logins or {}).items()}}",
        ),
    ),
]

_ORDER = [
    *_bugs(
        "exchange/mail.py",
        ("tests/exchange/test_jitter.py", "tests/exchange/test_orders.py"),
        (
            "mail-overtakes",
            "due = max(self._schedule.now_ns + after_ms * NS_PER_MS, account.last_due_ns)",
            "due = self._schedule.now_ns + after_ms * NS_PER_MS",
        ),
    ),
    *_bugs(
        "plugins.py",
        (REVIEW,),
        (
            "plugins-by-name-alone",
            "calls.sort(key=lambda call: call[:2])",
            "calls.sort(key=lambda call: call[1])",
        ),
    ),
    *_bugs(
        "engine/core.py",
        (ENGINE,),
        ("old-ticks-reach-the-strategy", "if not seen.fresh:", "if False:"),
        (
            "trades-of-others-are-ours",
            "if trade.player_id and trade.player_id == self.account.player_id:",
            "if trade.player_id:",
        ),
    ),
    *_bugs(
        "journal/journal.py",
        ("tests/journal/test_journal.py",),
        ("numbers-with-gaps", "if first_seq != self._next_seq:", "if first_seq < self._next_seq:"),
    ),
    *_bugs(
        "journal/segments.py",
        (DURABILITY,),
        (
            "header-before-its-group",
            "files.report_write(self.path, body, rest)\n        self.map[body:end] = rest\n",
            "files.report_write(self.path, at, header)\n        self.map[at:body] = header\n",
        ),
    ),
    *_bugs(
        "server/clients.py",
        ("tests/server/test_clients_model.py",),
        (
            "answer-before-the-broadcasts",
            "self._write([*self._lacking(), message])",
            "self._write([message, *self._lacking()])",
        ),
        (
            "held-back-in-part",
            "held, self._held = self._held, []",
            "held = self._held",
        ),
        (
            "told-twice",
            "return [message for message in messages if message.not_to != player_id]",
            "return messages",
        ),
    ),
]

BUGS = (
    *_MONEY,
    *_CORRELATION,
    *_LIMITS,
    *_DISK,
    *_RECOVERY,
    *_WIRE,
    *_LAW,
    *_DETERMINISM,
    *_SECRETS,
    *_ORDER,
)
