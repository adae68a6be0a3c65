"""``vectra-bot verify``: verify capture files and seeds against the price law."""

from __future__ import annotations

from typing import Any

import click

from vectra_bot.cli import HELP_OPTIONS

_EXAMPLES = """\b
Examples:
  vectra-bot verify seeded_games.jsonl.gz
  vectra-bot verify raw_frames.jsonl.gz
  vectra-bot verify --server-seed fedde170f25570df546c5c16de6f571b8253221f9307e977c4f5354a5aa078a4 \\
      --game-id 20250701-55b97a42871f441f --json
"""


@click.command("verify", epilog=_EXAMPLES, context_settings=HELP_OPTIONS)
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--server-seed", metavar="SEED", help="The revealed seed of a game, any text.")
@click.option("--game-id", metavar="ID", help="The id of that game.")
@click.option("--version", metavar="LAW", help="The law: v1, v2 or v3 (the default).")
@click.option("--prices", metavar="PRICES", help="Compare a file of prices with that game.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(
    *,
    file: str | None,
    server_seed: str | None,
    game_id: str | None,
    version: str | None,
    prices: str | None,
    as_json: bool,
) -> None:
    """Verify a capture FILE, or the game of a seed, against the price law, bit for bit.

    FILE is a capture of frames or a journal: every finished game is compared with the seed that the
    frames show for it, every sidebet with its game, every trade and leaderboard row with its price; what
    nothing else states is counted as not_checked. Or it is one of five kinds of rows: seeded_games,
    recorded_prices, game_rows (one game tick by tick), real_trades, leaderboard_rows. Facts are also
    compared with each other: one payout row for each placed sidebet, prices and rugs, the PnL of open
    positions, names. The kind is recognised by the content, plain, gzip or zstandard. Every wrong fact is
    reported once, with game, tick, the expected value and the value found.

    With --server-seed and --game-id the game is computed: rug_tick, rug_price, peak, prices, hash.
    The list of prices is the finished game's, as the venue publishes it: the live prices of ticks 0
    to rug_tick - 1, then the rug price at index rug_tick.

    PRICES is a JSON list, or one number per line, plain or gzipped; the rug price at its end may be
    missing.

    Exit code 0 if nothing differs, 1 if anything differs, 2 for a wrong command line, 3 for a file
    that cannot be used, or a recording that shows no seed.
    """
    from vectra_bot.errors import CheckFailed, UsageError

    if (file is None) == (server_seed is None and game_id is None):
        raise UsageError("give either FILE, or --server-seed with --game-id: see verify --help")
    if file is not None:
        if version is not None or prices is not None:
            raise UsageError("--version and --prices go with --server-seed and --game-id, not FILE")
        result = _file_result(file)
    elif server_seed is None or game_id is None:
        missing = "--server-seed" if server_seed is None else "--game-id"
        raise UsageError(f"{missing} is missing: a game needs both --server-seed and --game-id")
    else:
        result = _seed_result(server_seed, game_id, version, prices)
    _show(result, as_json)
    if not result["ok"]:
        wrong = result["differences"]
        number = f"{len(wrong)} difference" + ("s" if len(wrong) != 1 else "")
        raise CheckFailed(f"{number} found, the first: {_line(wrong[0])}")


def _file_result(file: str) -> dict[str, Any]:
    from vectra_bot.api import verify as verify_file

    return verify_file(file).to_json()


def _seed_result(
    seed: str, game_id: str, version: str | None, prices: str | None
) -> dict[str, Any]:
    from vectra_bot.conformance.verification import verify_seed
    from vectra_bot.game.rules import LAW_VERSION

    return verify_seed(seed, game_id, version or LAW_VERSION, prices).to_json()


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        import json

        click.echo(json.dumps(result))
        return
    heading = result.get("file", result.get("game_id"))
    lines = [f"{heading} ({result['kind']})"]
    hidden = {"file", "game_id", "kind", "ok", "prices", "differences", "first_difference"}
    lines += [f"  {key:<24} {value}" for key, value in result.items() if key not in hidden]
    differences = result.get("differences", [])
    lines += [f"  wrong: {_line(difference)}" for difference in differences]
    lines.append(_verdict(result, differences))
    text = "\n".join(lines)
    click.echo(text.encode(errors="backslashreplace").decode())


def _verdict(result: dict[str, Any], differences: list[Any]) -> str:
    if differences:
        return f"{len(differences)} differences" if len(differences) > 1 else "1 difference"
    compared = result["kind"] != "seed" or "prices_match" in result
    return "no differences" if compared else "computed"


def _line(difference: dict[str, Any]) -> str:
    tick = difference["tick"]
    parts = [
        f"game {difference['game']}" if difference.get("game") else "",
        f"tick {tick}" if tick is not None else "",
        f"sidebet {difference['sidebet']}" if "sidebet" in difference else "",
    ]
    place = ", ".join(part for part in parts if part)
    fact = f"{difference['what']} expected {difference['expected']}, found {difference['found']}"
    return f"{place}: {fact}" if place else fact
