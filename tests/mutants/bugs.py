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
EACH_LIMIT = "tests/actions/test_limits.py"
FRESHNESS = "tests/actions/test_freshness.py"
ARMING = "tests/engine/test_arming_model.py"
CONTROL = "tests/engine/test_control.py"
STANDING = "tests/actions/test_standing.py"
KEPT = "tests/actions/test_limits_kept.py"
INTERFACE = "tests/actions/test_interface.py"
RECOVERY = "tests/session/test_recovery_model.py"
FOREIGN = "tests/session/test_foreign_code.py"
PACKET = "tests/wire/test_packet_model.py"
DECODE = "tests/wire/test_decode.py"
REPEATED_END = "tests/wire/test_repeated_end.py"
OVERFLOW = "tests/venues/test_overflow_model.py"
ACKS = "tests/venues/test_acks_model.py"
LAST_LOOK = "tests/venues/test_gateway_model.py"
REVIEW = "tests/plugins/test_review_model.py"
AUDIT = "tests/audit/test_claims_model.py"
STREAM = "tests/exchange/test_stream_model.py"
LOCKS = "tests/journal/test_lock_model.py"
CRASH = "tests/journal/test_journal_crash.py"
LOST_FILES = "tests/journal/test_lost_files.py"
DURABILITY = "tests/journal/test_durability_model.py"
FAIR = "tests/game/test_fair.py"
ENGINE = "tests/engine/test_engine.py"
SECRETS = "tests/store/test_secrets.py"
TOKENS = "tests/server/test_tokens.py"
RUN = "tests/session/test_run.py"
SOCKET = "tests/session/test_control.py"
LIVE = "tests/session/live/test_live.py"
SAVED = "tests/test_saved.py"
STAKES = "tests/exchange/test_stakes_model.py"
BOOKS = "tests/exchange/test_books.py"
DRAWINGS = "tests/exchange/test_drawings.py"
SETTLEMENTS = "tests/actions/test_settlements_model.py"
OTHERS = "tests/actions/test_others_model.py"
PROOF = "tests/actions/test_proof_model.py"
ENDS = "tests/actions/test_ends_model.py"
LUCK = "tests/report/test_luck.py"
OPEN_BETS = "tests/report/test_open_bets.py"
SHELL = "tests/session/test_shell_model.py"
ORDER = "tests/engine/test_order_model.py"
SHAPES = "tests/wire/test_shapes_model.py"
WON = "tests/wire/test_drawings_model.py"
MODEL = "tests/model/test_tracker.py"
SHORT_WRITES = "tests/fsio/test_short_writes.py"
ALERTS = "tests/alerts/test_book.py"
SIGNALS = "tests/analysis/signals/test_signals.py"
EXITS = "tests/actions/test_exits.py"
TRAILING = "tests/backtest/test_trailing.py"
TAMPERING = "tests/engine/test_tampering.py"
FAST = "tests/backtest/test_fast.py"
TIMELINE = "tests/backtest/test_timeline.py"
FAST_PARITY = "tests/backtest/test_parity.py"
GIVEN = "tests/backtest/test_given.py"
GIVEN_PARITY = "tests/backtest/test_given_parity.py"
SWEEP_GIVEN = "tests/backtest/test_sweep_given.py"
TICKS = "tests/engine/test_ticks.py"
STATE = "tests/game/test_state.py"
SAMPLED = "tests/backtest/test_sampled.py"
BLOCKS = "tests/backtest/test_blocks.py"


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
            "value += lot.qty * top // bottom if",
            "value += (lot is not sold[0]) + lot.qty * top // bottom if",
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
            "return min(amount, self.max_win - won + cost)",
            "return min(amount, self.max_win - won)",
        ),
        (
            "ledger-valid-bet-late",
            "if tick - lot.tick >= rules.VALID_BET_TICKS:",
            "if tick - lot.tick > rules.VALID_BET_TICKS:",
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
        (
            "ledger-more-than-free",
            'self.cash + self.bonus:\n            self._refuse_stake("buy", amount)',
            'self.cash + self.bonus + 1:\n            self._refuse_stake("buy", amount)',
        ),
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
        ("old-trade-opens-a-position", "if trade.game_id != self.game.game_id:", "if False:"),
        ("drawing-paid-twice", "if key in self._drawings:", "if False:"),
        (
            "link-lost-unnoticed",
            "self.book.on_disconnected(reason)\n        self.stakes",
            "self.stakes",
        ),
    ),
    *_bugs(
        "actions/reconcile/ends.py",
        (MODEL,),
        (
            "end-forgets-what-came-since",
            "if self._agrees(chosen) and self._gives(chosen, change)",
            "if self._gives(chosen, change)",
        ),
        (
            "old-statement-proves-absence",
            "(rug_ns is not None and stated.recv_ns >= rug_ns)",
            "(rug_ns is not None)",
        ),
        (
            "end-proves-beside-the-unexplained",
            "or account.short is not None or account.unexplained",
            "or account.short is not None",
        ),
    ),
    *_bugs(
        "actions/tracker.py",
        (MODEL,),
        (
            "every-sale-after-the-rug-is-its",
            "return paid <= self.account.value(rug_price) + len(self.account.lots)",
            "return True",
        ),
    ),
    *_bugs(
        "actions/book.py",
        (MODEL, ENDS),
        (
            "open-game-proves-absence",
            'return "" if account.closes else',
            'return "" if True else',
        ),
        (
            "decided-by-every-trade",
            "                )\n            return\n        self.executed(tracked, trade.recv_ns",
            "                )\n        self.executed(tracked, trade.recv_ns",
        ),
    ),
    *_bugs(
        "actions/reconcile/change.py",
        (MONEY, PROOF, TRACKER),
        (
            "update-proves-the-oldest",
            "return explained[0] if len(explained) == 1 else None",
            "return explained[0] if explained else None",
        ),
        (
            "sale-of-another-share",
            "return 1, 0\n            low -= low * share // 100 + 1",
            "return 1, 0\n            low = -1",
        ),
        (
            "stake-of-another-size",
            "elif (paid and money <= 0) or (not paid and money != 0):",
            "elif (paid and money <= 0) or (not paid and money < 0):",
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
        (
            "unexplained-never-falls",
            "self._unexplained -= not shown.ours",
            "self._unexplained -= 0 * shown.ours",
        ),
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
            '> to_lamports(limit):\n                return f"{words} could',
            '> to_lamports(limit) + 1:\n                return f"{words} could',
        ),
        (
            "limit-session-loss-without-stake",
            "self._check_losses(account, free - amount)",
            "self._check_losses(account, free)",
        ),
        ("limit-stake", "if amount > self._stake:", "if amount >= self._stake:"),
        (
            "limit-actions",
            "if sent >= self.limits.actions_per_game:",
            "if sent > self.limits.actions_per_game:",
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

_ARMING = [
    *_bugs(
        "actions/risk.py",
        (EACH_LIMIT, KEPT),
        (
            "day-forgets-earlier-sessions",
            "return (account.session_start_cash or 0) - self.day_pnl",
            "return account.session_start_cash or 0",
        ),
    ),
    *_bugs(
        "actions/arming.py",
        (STANDING, ARMING),
        (
            "arming-without-conditions",
            "            return missing[0] if missing else None\n        # An exit",
            "            return None\n        # An exit",
        ),
        (
            "arming-keeps-ticks",
            "logged_in=False, stated=False, ticks=0",
            "logged_in=False, stated=False",
        ),
        (
            "arming-keeps-the-login",
            "framed=False, logged_in=False, stated=False, ticks=0",
            "framed=False, stated=False, ticks=0",
        ),
        (
            "armed-too-early",
            "return self if self.missing else attrs.evolve(self, armed=True",
            "return attrs.evolve(self, armed=True",
        ),
        ("disarm-does-nothing", "return attrs.evolve(self, armed=False)", "return self"),
    ),
    *_bugs(
        "engine/control.py",
        (ARMING,),
        ("no-dead-man", "if gate.arming.is_alone(now_ns) and", "if False and"),
    ),
    *_bugs(
        "actions/risk.py",
        (EACH_LIMIT,),
        (
            "exposure-without-sidebet",
            "        stakes.append(account.sidebet.amount)",
            "        stakes.append(account.sidebet.bonus)",
        ),
        (
            "exposure-without-undecided",
            "            account, at_risk + amount",
            "            account, amount",
        ),
        ("day-keeps-yesterday", "            self.day_pnl = 0\n", ""),
        (
            "day-without-what-is-open",
            "account.cash + _committed(account) if account.known",
            "account.cash if account.known",
        ),
        ("minute-boundary", "if now_ns - at < _MINUTE_NS", "if now_ns - at <= _MINUTE_NS"),
        (
            "minute-keeps-too-few",
            "(*self.sent_ns[-limit + 1 :], now_ns)",
            "(*self.sent_ns[-limit + 2 :], now_ns)",
        ),
        (
            "external-boundary",
            "if limit is not None and self.external_this_game > limit:",
            "if limit is not None and self.external_this_game >= limit:",
        ),
    ),
    *_bugs(
        "actions/risk.py",
        (CONTROL,),
        (
            "external-not-counted",
            "return self.sent_this_game + self.external_this_game",
            "return self.sent_this_game",
        ),
        (
            "spent-without-what-is-open",
            "left = account.cash + _committed(account) - LEAST",
            "left = account.cash - LEAST",
        ),
        ("ignored-position-sold", "or self._check_position(ask, game)", ""),
    ),
    *_bugs(
        "engine/flatten.py",
        (STANDING, CONTROL),
        (
            "flatten-repeats-in-doubt",
            "is not stated and _is_stated(kind, stated)",
            "is not stated or _is_stated(kind, stated)",
        ),
        (
            "flatten-without-limit",
            "if self._tries[kind] >= MAX_EXIT_TRIES or self._unsent[kind] >= MAX_UNSENT:\n            return",
            "if self._unsent[kind] >= MAX_UNSENT:\n            return",
        ),
        ("flatten-doubles-a-sale", "if states.intersection(_UNDER_WAY):", "if False:"),
    ),
    *_bugs(
        "actions/freshness.py",
        (FRESHNESS,),
        ("burst-is-fresh", "self.is_old = tick < self.stalled_tick + sent", "self.is_old = False"),
        (
            "burst-but-one-is-fresh",
            "self.is_old = tick < self.stalled_tick + sent",
            "self.is_old = tick < self.stalled_tick + sent - 1",
        ),
        ("stall-ends-early", "self.lacking = CLEAN_TICKS", "self.lacking = CLEAN_TICKS - 1"),
    ),
    *_bugs(
        "engine/control.py",
        (CONTROL,),
        (
            "first-account-is-ours",
            'return self.account.player_id or ("" if self.terms is None else self.terms.account)',
            "return self.account.player_id",
        ),
    ),
]

_DISK = [
    *_bugs(
        "session/shell.py",
        (RUN,),
        (
            "sent-before-the-disk",
            'await in_thread(self.journal.sync)\n            return ""',
            'return ""',
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
        "journal/journal.py",
        (LOST_FILES,),
        (
            "lost-lock-not-noticed",
            "if not self._lock.is_ours():",
            "if not self._lock.path:",
        ),
    ),
    *_bugs(
        "journal/lock.py",
        (LOST_FILES,),
        (
            "segment-of-a-writer-not-seen",
            "segment.is_raw and is_file_locked(segment.path)",
            "segment.is_raw and is_file_locked(directory)",
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
        "session/recovery/killed.py",
        (RECOVERY,),
        (
            "recovery-forgets-an-intent",
            "self.engine.opened().book.add(action, command, NO_EXITS, command.created_ns)",
            "self._documented.discard(action.action_id)",
        ),
        (
            "recovery-invents-ids",
            "given = len(self._seen)",
            "given = len(self._seen) + 1",
        ),
        (
            "recovery-forgets-the-stop",
            "items += [event, *self.engine.process(event)]",
            "items += [event]",
        ),
    ),
    *_bugs(
        "session/recovery/killed.py",
        ("tests/session/test_recovery.py",),
        (
            "recovery-documents-twice",
            "if item.record.action_id in documented:",
            "if False:",
        ),
        (
            "recovery-forgets-what-is-lost",
            "[*_lacking(*self._last)]",
            "[]",
        ),
    ),
    *_bugs(
        "session/recovery/process.py",
        ("tests/session/test_recovery_process.py",),
        (
            "recovery-without-limit",
            "self._clock.monotonic_ns() - start_ns > limit_s * NS_PER_S",
            "limit_s < 0",
        ),
    ),
    *_bugs(
        "session/check.py",
        (FOREIGN,),
        (
            "check-runs-what-a-journal-names",
            "if strategy is None and (why := why_not_run(header)):",
            'if strategy is None and (why := ""):',
        ),
        (
            "check-forgets-the-vetoes",
            "return self.reasons.get(action.action_id)",
            "return None",
        ),
    ),
    *_bugs(
        "loading/recorded.py",
        (FOREIGN,),
        ("check-calls-every-plugin", "if repeats:", "if True:"),
    ),
    *_bugs(
        "session/header.py",
        (FOREIGN,),
        (
            "check-runs-a-changed-strategy",
            'if "import" not in header and not is_unchanged(point.module, digests):',
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
            'in ("message", "error", "reason"):',
            'in ("message",):',
        ),
        (
            "ack-truthy",
            "success = given if isinstance(given, bool) else None",
            "success = bool(given)",
        ),
    ),
    *_bugs(
        "wire/reader.py",
        (REPEATED_END,),
        ("end-of-another-frame", "if raw.endswith(text):", "if raw.endswith(text[-80:]):"),
    ),
    *_bugs(
        "venues/connection.py",
        (OVERFLOW,),
        (
            "queued-after-a-loss",
            "if not self.lost and self.inbox.put(frame):",
            "if self.inbox.put(frame):",
        ),
    ),
    *_bugs(
        "venues/acks.py",
        (ACKS,),
        ("ack-of-another-connection", "if sent.epoch != epoch:", "if False:"),
        ("ping-answered-twice", "del self._sent[int(digits)]", "self._sent[int(digits)]"),
        ("round-trip-not-smoothed", "_SMOOTHING: Final = 0.125", "_SMOOTHING: Final = 1.0"),
        (
            "waits-of-other-connections",
            "if sent is not None and sent.epoch == epoch:",
            "if sent is not None:",
        ),
    ),
    *_bugs(
        "venues/live.py",
        (LAST_LOOK,),
        ("stop-not-looked-at", "if stopped is not None or self._closed:", "if self._closed:"),
        (
            "older-connections-count",
            "if command.created_ns < connection.opened_ns or self._link.was_suspended():",
            "if self._link.was_suspended():",
        ),
        (
            "suspension-not-looked-at",
            "connection.opened_ns or self._link.was_suspended():",
            "connection.opened_ns:",
        ),
        ("old-data-for-entries", "ENTRY_DATA_MS if entry else EXIT_DATA_MS", "EXIT_DATA_MS"),
        (
            "exits-need-new-ticks",
            "if entry and connection.tick - command",
            "if connection.tick - command",
        ),
        ("rug-not-looked-at", "if connection.rugged:", "if False:"),
        ("exits-as-late-as-entries", "ENTRY_LATE_MS if entry else EXIT_LATE_MS", "ENTRY_LATE_MS"),
        ("token-to-its-end", "left_s <= TOKEN_MARGIN_S:", "left_s <= 0:"),
        (
            "sent-behind-a-queue",
            "if wire.waiting:\n            return",
            "if False:\n            return",
        ),
        ("budget-not-charged", "self._bucket.take()", "self._bucket.left()"),
        (
            "broken-write-is-proof",
            "if not wire.is_open:\n                doubt",
            "if False:\n                doubt",
        ),
    ),
    *_bugs(
        "venues/link.py",
        (LAST_LOOK,),
        ("cut-link-is-open", "return self.closed or self.was_cut", "return self.closed"),
        ("ended-link-is-open", "or connection.ended.is_set():", "or False:"),
    ),
    *_bugs(
        "venues/patience.py",
        (ACKS,),
        (
            "entries-use-all-requests",
            "1 + (self._budget.kept_for_exits if entry else 0)",
            "1",
        ),
        (
            "requests-add-up",
            "min(float(self._budget.burst), self._left + gained)",
            "self._left + gained",
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

_ALERTS = [
    *_bugs(
        "alerts/book.py",
        (ALERTS,),
        (
            "alert-ids-of-the-process",
            'f"{self.session_id}:alert:{number}".encode()',
            'f"{id(self)}:alert:{number}".encode()',
        ),
        ("alerts-without-limit", "if number == MAX_ALERTS:", "if False:"),
        (
            "failing-rules-called",
            "if newly:\n            self._resolve()",
            "if False:\n            self._resolve()",
        ),
    ),
    *_bugs(
        "engine/callbacks.py",
        (ALERTS,),
        (
            "alerts-of-the-next-game",
            'args[1].game_id if callback == "on_game_end" else self.effects.game.now.game_id',
            "self.effects.game.now.game_id",
        ),
    ),
    *_bugs(
        "analysis/signals/scores.py",
        (SIGNALS,),
        ("horizon-one-short", "return rug <= tick + horizon", "return rug < tick + horizon"),
    ),
    *_bugs(
        "analysis/signals/calibration.py",
        (SIGNALS,),
        ("averages-alone", "if abs(away) > 1e-12:", "if False:"),
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
        "venues/redirects.py",
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
        (
            "old-ticks-reach-the-strategy",
            "self._effects.tick(change.tick)",
            "self._on_tick(change.tick)",
        ),
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
        "server/reception.py",
        ("tests/server/test_latency.py", "tests/server/test_refusals.py"),
        (
            "latency-ignored",
            "(self.latency_ms or 0) * NS_PER_MS",
            "0 * NS_PER_MS",
        ),
        ("refused-and-executed", "if refusal is None:", "if True:"),
    ),
    *_bugs(
        "exchange/exchange.py",
        ("tests/server/test_latency.py",),
        ("received-and-lost", "elif received:", "elif False:"),
    ),
    *_bugs(
        "server/faults/requests.py",
        ("tests/server/test_refusals.py",),
        ("refused-for-ever", "if self.hits >= self.count or", "if"),
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

_MORE_MONEY = [
    *_bugs(
        "exchange/market.py",
        (STREAM,),
        (
            "market-biggest-last",
            "fill.amount > self.biggest.fill.amount",
            "fill.amount >= self.biggest.fill.amount",
        ),
    ),
    *_bugs(
        "exchange/desk.py",
        (STAKES,),
        (
            "desk-free-is-cash",
            "if amount > account.ledger.free:",
            "if amount > account.ledger.cash:",
        ),
        ("desk-least", "if not _LEAST <= amount <= most:", "if not _LEAST < amount <= most:"),
        ("desk-most", "if not _LEAST <= amount <= most:", "if not _LEAST <= amount < most:"),
    ),
    *_bugs(
        "exchange/features/sidegames.py",
        (STAKES,),
        ("round-full", "if len(room.stakes) >= MAX_STAKES:", "if len(room.stakes) > MAX_STAKES:"),
    ),
    *_bugs(
        "exchange/market.py",
        (BOOKS,),
        (
            "market-sidebet-bonus",
            "self.books.post(account, BookEntry.SIDEBET, -amount, -bet.bonus)",
            "self.books.post(account, BookEntry.SIDEBET, -amount, 0)",
        ),
        (
            "market-payout-bonus",
            "bet.payout, bet.bonus)\n        gain",
            "bet.payout, 0)\n        gain",
        ),
    ),
    *_bugs(
        "exchange/accounts.py",
        (DRAWINGS,),
        (
            "pool-pays-house",
            "source = self.pool if entry is BookEntry.RUGPOOL_PRIZE else self.house",
            "source = self.house",
        ),
    ),
    *_bugs(
        "exchange/features/rugpool.py",
        (DRAWINGS,),
        (
            "pool-threshold",
            "if rug_tick > self._config.instarug_threshold:",
            "if rug_tick >= self._config.instarug_threshold:",
        ),
        (
            "pool-full",
            "return self._instarugs >= self._config.threshold",
            "return self._instarugs > self._config.threshold",
        ),
        (
            "pool-net",
            "lost = sum(-pnl for _, pnl in pnls if pnl < 0)",
            "lost = sum(-pnl for _, pnl in pnls)",
        ),
    ),
    *_bugs(
        "exchange/features/golden.py",
        (DRAWINGS,),
        (
            "golden-cap",
            "return min(rules.GOLDEN_MAX_ENTRIES, account.golden // rules.GOLDEN_LAMPORTS_PER_ENTRY)",
            "return account.golden // rules.GOLDEN_LAMPORTS_PER_ENTRY",
        ),
        (
            "golden-level",
            "if account.level >= rules.GOLDEN_LEVEL and",
            "if account.level > rules.GOLDEN_LEVEL and",
        ),
    ),
    *_bugs(
        "game/lots.py",
        (ACCOUNT,),
        (
            "account-own-ceil",
            "return amount - amount * bonus // cost if bonus else amount",
            "return amount - -(-amount * bonus // cost) if bonus else amount",
        ),
    ),
    *_bugs(
        "game/account.py",
        (ACCOUNT,),
        (
            "account-bonus-pending",
            "self.bonus = to_lamports(update.bonus_balance) + sum(e.delta_bonus for e in self._pending)",
            "self.bonus = to_lamports(update.bonus_balance)",
        ),
        (
            "account-session-start",
            "self.session_start_cash = self.game_start_cash = cash",
            "self.session_start_cash = cash",
        ),
        (
            "account-liquidated-any",
            "if lot.qty == qty and is_liquidated(lot, price):",
            "if lot.qty == qty:",
        ),
    ),
    *_bugs(
        "game/ledger.py",
        (LEDGER,),
        ("ledger-net-in-cost", "self._net_in -= amount", "self._net_in -= cost"),
        (
            "ledger-other-stakes",
            'bonus = self.stake("sidebet", amount)\n        self._other_stakes += amount',
            'bonus = self.stake("sidebet", amount)',
        ),
        (
            "ledger-share-up",
            "return self._qty * percentage // 100",
            "return -(-self._qty * percentage // 100)",
        ),
        (
            "ledger-short-rug-invalid",
            "held = rugged or tick - short.entry_tick >= rules.VALID_BET_TICKS",
            "held = tick - short.entry_tick >= rules.VALID_BET_TICKS",
        ),
    ),
    *_bugs(
        "actions/sidebets.py",
        (SETTLEMENTS,),
        ("settled-tie-won", "won=event.payout > 0,", "won=event.payout >= 0,"),
        (
            "sidebet-settled-key",
            'return f"{game_id}:{start_tick}"',
            'return f"{start_tick}"',
        ),
    ),
    *_bugs(
        "actions/shorts.py",
        (SETTLEMENTS,),
        ("short-won", "won=trade.amount > short.stake,", "won=trade.amount >= short.stake,"),
    ),
    *_bugs(
        "actions/interface.py",
        (SETTLEMENTS,),
        (
            "bet-percentage",
            "wanted = desk.account.cash * share // 100 // step * step",
            "wanted = desk.account.cash // step * step * share // 100",
        ),
    ),
    *_bugs(
        "engine/core.py",
        (SETTLEMENTS,),
        (
            "prizes-not-counted-once",
            'self.counts["prizes"] += to_lamports(prize)',
            'self.counts["prizes"] = to_lamports(prize)',
        ),
    ),
    *_bugs(
        "actions/tracker.py",
        (SETTLEMENTS,),
        ("drawing-key", 'key = f"{drawing.name}:{drawing.drawing_id}"', "key = drawing.drawing_id"),
    ),
    *_bugs(
        "actions/rounds.py",
        (SETTLEMENTS,),
        (
            "round-settled-key",
            'settled_key = f"{event.side_game.value}:{event.round_id}"',
            "settled_key = event.round_id",
        ),
    ),
    *_bugs(
        "report/luck.py",
        (LUCK,),
        ("luck-strict", "if total >= least))", "if total > least))"),
        (
            "luck-payout-net",
            "made = wins * bet.payout - count * bet.stake",
            "made = wins * (bet.payout - bet.stake) - count * bet.stake",
        ),
    ),
    *_bugs(
        "report/session.py",
        (OPEN_BETS,),
        ("report-undecided", "found[sidebet(to_lamports(account.sidebet.amount))] += 1", "pass"),
    ),
]

_MORE_CORRELATION = [
    *_bugs(
        "actions/book.py",
        (PROOF,),
        ("ack-kept", "return self._by_ack.pop(ack_id, None)", "return self._by_ack.get(ack_id)"),
    ),
    *_bugs(
        "actions/sidebets.py",
        (PROOF,),
        (
            "sidebet-foreign-trace",
            "tracked = alone[0] if alone_fits and event.trace_id is None else None",
            "tracked = alone[0] if alone_fits else None",
        ),
    ),
    *_bugs(
        "actions/tracker.py",
        (PROOF,),
        (
            "trade-foreign-trace",
            "if tracked is None and trade.trace_id is None:",
            "if tracked is None:",
        ),
        (
            "forced-share",
            "return seen.delta_cash <= sold * self.game.price * rules.FORCED_SELL_SHARE",
            "return seen.delta_cash <= sold * self.game.price",
        ),
    ),
    *_bugs(
        "actions/shorts.py",
        (PROOF,),
        (
            "short-foreign-trace",
            "if tracked is None and trade.trace_id is None:",
            "if tracked is None:",
        ),
    ),
    *_bugs(
        "actions/book.py",
        (OTHERS,),
        ("stray-evidence-time", "if tracked.action.first_evidence_ts is None:", "if True:"),
        (
            "disconnect-sent-only",
            "if tracked.action.state is not ActionState.UNKNOWN:\n                self.move(",
            "if tracked.action.state is ActionState.SENT:\n                self.move(",
        ),
    ),
    *_bugs(
        "engine/core.py",
        (OTHERS,),
        (
            "public-sidebets-ours",
            "if event.private and event.player_id == self.account.player_id:",
            "if event.player_id == self.account.player_id:",
        ),
        (
            "short-of-other-game",
            "if self.account.short is not None and update.game_id == self.game.game_id:",
            "if self.account.short is not None:",
        ),
    ),
    *_bugs(
        "engine/records.py",
        (OTHERS,),
        (
            "result-of-others",
            "if event.player_id == account.player_id:\n            handler(event)",
            "if True:\n            handler(event)",
        ),
    ),
    *_bugs(
        "actions/book.py",
        (ENDS,),
        (
            "timeout-boundary",
            "and now_ns - tracked.sent_ns > EVIDENCE_TIMEOUT_NS",
            "and now_ns - tracked.sent_ns >= EVIDENCE_TIMEOUT_NS",
        ),
        (
            "complete-late",
            "and now_ns - tracked.decided_ns >= EVIDENCE_TIMEOUT_NS",
            "and now_ns - tracked.decided_ns > EVIDENCE_TIMEOUT_NS",
        ),
        ("contradiction-no-halt", "self.gate.halt(HaltCause.CONTRADICTION, message)", "pass"),
    ),
    *_bugs(
        "actions/tracker.py",
        (ENDS,),
        (
            "reject-executed-silent",
            "if tracked.action.state.is_executed:\n                self.book.contradiction(",
            "if False:\n                self.book.contradiction(",
        ),
    ),
]

_MORE_DISK = [
    *_bugs(
        "journal/writer.py",
        (DURABILITY,),
        (
            "force-claims-later",
            "before, self._durable = self._durable, (current.number, end)",
            "before, self._durable = self._durable, (current.number, current.end)",
        ),
        (
            "force-claims-open",
            "before, self._durable = self._durable, (current.number, end)",
            "before, self._durable = self._durable, (self.open.number, self.open.end)",
        ),
        ("pending-forgotten", "del self._pending[: len(old)]", "self._pending.clear()"),
        ("finish-not-synced", "self.open.finish()\n        self.open.sync()", "self.open.finish()"),
        (
            "first-name-not-forced",
            "try:\n                files.sync_directory(directory)\n            except",
            "try:\n                pass\n            except",
        ),
    ),
    *_bugs(
        "journal/journal.py",
        (DURABILITY,),
        (
            "behind-not-waited",
            "if self._segments.is_behind:\n            self.sync()",
            "if False:\n            self.sync()",
        ),
    ),
    *_bugs(
        "fsio/files.py",
        (SHORT_WRITES,),
        (
            "short-write",
            "written = os.write(fd, data)\n    while written < len(data):",
            "written = os.write(fd, data)\n    while False:",
        ),
        ("short-write-again", "memoryview(data)[written:])", "memoryview(data)[:])"),
    ),
    *_bugs(
        "journal/writer.py",
        ("tests/journal/test_corruption.py",),
        (
            "mark-ahead",
            "return mark_bytes(seq, ts_ns, self.open.number - segment, offset)",
            "return mark_bytes(seq, ts_ns, 0, self.open.end)",
        ),
    ),
    *_bugs(
        "journal/journal.py",
        ("tests/journal/test_corruption.py",),
        ("mark-never", "self._mark_due = True\n", "self._mark_due = False\n"),
        (
            "create-not-synced",
            "journal.append([first])\n            journal.sync()",
            "journal.append([first])",
        ),
    ),
    *_bugs(
        "journal/journal.py",
        (CRASH,),
        (
            "sync-failure-forgiven",
            (
                "more = self._segments.force()\n            except OSError as error:\n"
                '                raise self._fail("synced", error) from error'
            ),
            (
                "more = self._segments.force()\n            except OSError as error:\n"
                "                raise StoreError(str(error)) from error"
            ),
        ),
    ),
    *_bugs(
        "fsio/files.py",
        ("tests/fsio/test_files.py",),
        (
            "replace-not-synced",
            "sync_path(temporary)\n            rename(temporary, path)",
            "rename(temporary, path)",
        ),
        (
            "replace-name-not-synced",
            "rename(temporary, path)\n            sync_directory(path.parent)",
            "rename(temporary, path)",
        ),
        ("not-reserved", "os.posix_fallocate(fd, 0, size)", "os.ftruncate(fd, size)"),
    ),
]

_MORE_ORDER = [
    *_bugs(
        "session/shell.py",
        (SHELL,),
        (
            "shell-groups",
            "        self.journal.append(entries)\n",
            "        for entry in entries:\n            self.journal.append([entry])\n",
        ),
        (
            "shell-lifo",
            "command, digest = commands.popleft()",
            "command, digest = commands.pop()",
        ),
        (
            "shell-once-durable",
            "                refused = await self._synced()\n                commands.extend(more)",
            "                commands.extend(more)",
        ),
        (
            "shell-late-sync",
            "            return SLOW_DISK  # an earlier sync is late",
            '            return ""  # an earlier sync is late',
        ),
        (
            "shell-lost-is-slow",
            "            if lost is not None and lost.is_set():\n                return LOST\n",
            "",
        ),
        (
            "shell-undone-sync",
            "            return SLOW_DISK\n        self._syncing.result()",
            '            return ""\n        self._syncing.result()',
        ),
    ),
    *_bugs(
        "engine/core.py",
        (ORDER,),
        (
            "hook-before-document",
            (
                'self._effects.document(DocType.PLAYER_ACTION, action, "tracker", game_id=action.game_id)\n'
                '        self._callbacks.notify("on_action_outcome", action)'
            ),
            (
                'self._callbacks.notify("on_action_outcome", action)\n        '
                'self._effects.document(DocType.PLAYER_ACTION, action, "tracker", game_id=action.game_id)'
            ),
        ),
        (
            "tick-before-exits",
            (
                "if self._desk.exits.plan is not NO_EXITS:\n"
                "            self._callbacks.run_exits(self._actions)\n"
                "        self._callbacks.tick(tick)"
            ),
            (
                "self._callbacks.tick(tick)\n"
                "        if self._desk.exits.plan is not NO_EXITS:\n"
                "            self._callbacks.run_exits(self._actions)"
            ),
        ),
        ("time-goes-back", "if now_ns < account.now_ns:", "if False:"),
    ),
]

_MORE_WIRE = [
    *_bugs(
        "wire/builders.py",
        (SHAPES,),
        (
            "window-order",
            "start = bet.started_at_tick if bet.start_tick is UNSET else bet.start_tick",
            "start = bet.start_tick if bet.started_at_tick is UNSET else bet.started_at_tick",
        ),
    ),
    *_bugs(
        "wire/requests.py",
        (SHAPES,),
        (
            "percentage-bool",
            "return value if isinstance(value, int) and not isinstance(value, bool) else None",
            "return value if isinstance(value, int) else None",
        ),
    ),
    *_bugs(
        "wire/packet.py",
        (SHAPES,),
        ("id-digits", "if len(digits) > _ID_DIGITS:", "if len(digits) > _ID_DIGITS + 1:"),
        (
            "payload-first",
            "for argument in reversed(arguments[:-1]):",
            "for argument in arguments[:-1]:",
        ),
    ),
    *_bugs(
        "wire/builders.py",
        (WON,),
        (
            "drawing-first-winner",
            "winners = [(winner.player_id, sol(winner.reward)) for winner in known_shape.winners]",
            "winners = [(winner.player_id, sol(winner.reward)) for winner in known_shape.winners[:1]]",
        ),
    ),
    *_bugs(
        "audit/claims.py",
        (AUDIT,),
        ("audit-peak", "if entry.peak != game.peak:", "if entry.peak > game.peak:"),
    ),
]

_LIVE = [
    *_bugs(
        "session/control.py",
        (SOCKET,),
        ("stop-without-cut", "if not self._link_closed.wait(CUT_AFTER_S):", "if False:"),
        ("old-status-as-new", "if age_ms > STALE_MS:", "if age_ms > STALE_MS * 1000:"),
        (
            "stop-not-journaled",
            "if self.of.stop.reason is None:\n            self._waiting",
            "if False:\n            self._waiting",
        ),
    ),
    *_bugs(
        "session/live/config.py",
        (LIVE,),
        ("account-not-typed", "if config.account != account:", "if not config.account:"),
        ("statement-of-tomorrow", "if said > today + timedelta(days=1):", "if said > date.max:"),
        (
            "limits-of-nobody",
            "if name not in config.limits]",
            "if name not in LIVE_LIMITS.to_json()]",
        ),
    ),
    *_bugs(
        "session/live/day.py",
        (LIVE,),
        (
            "day-of-everybody",
            "player_id = $account AND ts_ns >= $start\n    AND (cause",
            "ts_ns >= $start\n    AND (cause",
        ),
        ("halt-lost-in-a-crash", "elif kind in _HALTS and message != REASON:", "elif kind in ():"),
    ),
    *_bugs(
        "session/live/operator.py",
        (LIVE,),
        ("live-armed-too-early", "is not ArmingState.READY:", "is ArmingState.ARMED:"),
    ),
    *_bugs(
        "params/saved.py",
        (SAVED,),
        ("decimal-as-float", "return {_DECIMAL: str(value)}", "return float(value)"),
        ("marked-dict", "return {_PLAIN: found} if marked else found", "return found"),
    ),
]

_EXITS = [
    *_bugs(
        "actions/exits.py",
        (EXITS,),
        (
            "highest-of-another-position",
            "        self.tries = 0\n        self.highest = 0.0",
            "        self.tries = 0",
        ),
        (
            "stop-that-does-not-trail",
            "self.highest = max(self.highest, price)",
            "self.highest = self.highest or price",
        ),
        (
            "stop-trails-the-price",
            "held, highest = multiples(account, price, self.highest)",
            "held, highest = price, self.highest",
        ),
    ),
    *_bugs(
        "backtest/fast/exits.py",
        (TRAILING,),
        (
            "highest-forgotten-at-a-scan",
            "else multiple(account, self.highest)",
            "else 0.0",
        ),
        (
            "highest-begins-with-an-earlier-position",
            "        if self.plan.trailing_stop is None:\n            self._missing = _NOWHERE\n",
            "",
        ),
        (
            "highest-of-looks-alone",
            "        self._see(game.tick)\n        return",
            "        return",
        ),
    ),
    *_bugs(
        "engine/seals.py",
        (TAMPERING,),
        ("highest-not-sealed", '("plan", "tries", "highest")', '("plan", "tries")'),
    ),
]

_USUAL_ORDERS = [
    *_bugs(
        "backtest/fast/desk.py",
        (FAST,),
        (
            "short-look-without-game-loss",
            "max(0, of_session, account.game_start_cash - terms.game_loss)",
            "max(0, of_session)",
        ),
        (
            "short-look-one-action-more",
            "external_this_game < terms.actions",
            "external_this_game <= terms.actions",
        ),
        ("short-look-in-halts", "gate.halts or gate.stopped", "gate.stopped"),
        ("short-look-in-presale", " or self.game.phase is not ACTIVE", ""),
    ),
    *_bugs(
        "backtest/fast/hooks.py",
        (FAST,),
        (
            "tick-that-is-kept-used-again",
            "self.tick is not None and not _only_reads_ticks(self.tick)",
            "False",
        ),
    ),
    *_bugs(
        "backtest/fast/block.py",
        (FAST_PARITY,),
        (
            "order-at-once-before-answers",
            "self._immediate and not self._mail and self._at_once()",
            "self._immediate and self._at_once()",
        ),
        ("two-orders-at-once", "len(desk.asked) != 1 or desk.reports", "desk.reports"),
        (
            "first-tick-without-its-own-record",
            'values["game_id"], values["tick"], values["price"] = game_id, tick, price',
            'values["tick"], values["price"] = tick, price',
        ),
    ),
    *_bugs(
        "backtest/fast/timeline.py",
        (TIMELINE,),
        ("ticks-of-the-game-before", "own = ticks[start[game] :", "own = ticks[start[game - 1] :"),
        ("one-chunk-of-times", "if not data.at:", "if not data.number:"),
    ),
]

_GIVEN_GAMES = [
    *_bugs(
        "backtest/asked/given.py",
        (GIVEN,),
        ("cut-off-game-as-a-rug", "not in (None, len(prices))", "in ()"),
    ),
    *_bugs(
        "backtest/fast/chunks.py",
        (GIVEN_PARITY,),
        ("rug-price-of-no-law", "if not 0 < game.rug_price <= prices[-1]", "if not prices[-1]"),
    ),
    *_bugs(
        "backtest/sweep/chunks.py",
        (SWEEP_GIVEN,),
        (
            "chunk-of-other-games",
            "self.parameters + self.terms + self.given",
            "self.parameters + self.terms",
        ),
    ),
    *_bugs(
        "backtest/sweep/work.py",
        (SWEEP_GIVEN,),
        ("other-games-in-a-worker", "if digest_of_games(found) != given:", "if not found:"),
    ),
]

_TICKS = [
    *_bugs(
        "engine/decimals.py",
        (TICKS,),
        ("written-context-lent", "if self._written or self._traps", "if self._traps"),
        (
            "changed-traps-lent",
            "if self._written or self._traps != self._our_traps:",
            "if self._written:",
        ),
        ("flags-lent-again", "elif self._flags != self._our_flags:", "elif False:"),
        (
            "reduced-to-a-lent-context",
            "return (Context, *super().__reduce__()[1:])",
            "return super().__reduce__()",
        ),
    ),
    *_bugs(
        "engine/callbacks.py",
        (TICKS,),
        (
            "replacing-method-gets-the-tick",
            "and method.__func__ is self._reads_ticks:",
            "and self._reads_ticks is not None:",
        ),
    ),
    *_bugs(
        "game/outside.py",
        (TICKS,),
        ("kept-tick-not-copied", "or after.argval not in names:", "or False:"),
        ("closure-gets-the-tick", "if name in code.co_cellvars or ", "if "),
        ("locals-show-the-tick", " or _LOOKING_BACK.intersection(code.co_names):", ":"),
    ),
    *_bugs(
        "game/state.py",
        (STATE,),
        ("tick-of-another-game", "            and frame.game_id == game.game_id\n", ""),
        ("tick-before-the-start", "            and game.started\n", ""),
        ("tick-with-a-price-list", "            and frame.prices is None\n", ""),
        (
            "price-not-checked",
            "if type(price) is not float or not 0.0 <= price < math.inf:",
            "if False:",
        ),
    ),
]

_SAMPLED_GAMES = [
    *_bugs(
        "exchange/exchange.py",
        (SAMPLED,),
        ("next-sampled-game", "self._sampled.game(number - 1)", "self._sampled.game(number)"),
    ),
    *_bugs(
        "exchange/identities.py",
        (SAMPLED,),
        (
            "sampled-game-with-a-seed",
            'return "", self._dated_id("sampled-game-id"',
            'return self.server_seed(number), self._dated_id("game-id"',
        ),
    ),
    *_bugs(
        "kernel/sampled.py",
        (SAMPLED,),
        ("sampled-chunk-kept-too-long", "if number - at != self._first:", "if self._first < 0:"),
    ),
    *_bugs(
        "backtest/sweep/config.py",
        (SAMPLED,),
        ("sampled-chunk-as-exact", '("games", "source",', '("sampled", "games", "source",'),
    ),
]

_STOPPED_BACKTESTS = [
    *_bugs(
        "backtest/play.py",
        (BLOCKS,),
        (
            "variants-one-after-the-other",
            "for turn in turns for at, block in enumerate(turn) if block is not None",
            "for at, one in enumerate(configs) for block in one.blocks()",
        ),
    ),
    *_bugs(
        "backtest/blocks.py",
        (BLOCKS,),
        ("ctrl-c-ends-processes", "signal.SIG_BLOCK, {signal.SIGINT}", "signal.SIG_BLOCK, ()"),
    ),
    *_bugs(
        "cli/report.py",
        ("tests/cli/test_backtest.py",),
        ("unwritten-page-unsaid", "failed, page = error, None", "page = None"),
    ),
]

BUGS = (
    *_EXITS,
    *_LIVE,
    *_MONEY,
    *_CORRELATION,
    *_LIMITS,
    *_ARMING,
    *_DISK,
    *_RECOVERY,
    *_WIRE,
    *_LAW,
    *_DETERMINISM,
    *_ALERTS,
    *_SECRETS,
    *_ORDER,
    *_MORE_MONEY,
    *_MORE_CORRELATION,
    *_MORE_DISK,
    *_MORE_ORDER,
    *_MORE_WIRE,
    *_USUAL_ORDERS,
    *_GIVEN_GAMES,
    *_TICKS,
    *_SAMPLED_GAMES,
    *_STOPPED_BACKTESTS,
)
