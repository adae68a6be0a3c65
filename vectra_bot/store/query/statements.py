"""Validation of SQL over a store: exactly one read-only statement.

DuckDB keeps a query from everything outside the store (see :mod:`vectra_bot.store.query.catalog`), but
the store's own files must not be written either, and a SELECT may contain COPY, INSERT, UPDATE or DELETE
in its WITH clause. So the kind of the statement and its keywords are checked.

The schema's own queries name files: ``FROM '.../doc_type=game_tick/**/*.parquet'``. Such a name is
replaced by the view of that kind of document, which skips corrupt files and works over object stores as
well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from vectra_bot.errors import InputError
from vectra_bot.models import DocType
from vectra_bot.store.location import SEED_PATH
from vectra_bot.store.parquet.schema import sql_columns
from vectra_bot.store.query.database import core, sql_text

if TYPE_CHECKING:
    import duckdb

READS: Final = "a store is read-only: give one SELECT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN"

_WRITES = frozenset({"copy", "insert", "update", "delete", "merge", "truncate"})
# Statements that EXPLAIN ANALYZE would run, and that PIVOT may be part of.
_ACTS = _WRITES | {
    "alter", "analyze", "attach", "begin", "call", "checkpoint", "comment", "commit", "create", "deallocate",
    "detach", "drop", "execute", "export", "import", "install", "load", "pragma", "prepare", "reset",
    "rollback", "set", "use", "vacuum",
}  # fmt: skip
# Functions that take names or queries as text: any view may be used.
_INDIRECT = re.compile(r"\b(query|query_table|json_execute_serialized_sql)\b", re.IGNORECASE)
# Statements that list views: all views must exist.
_LISTS = re.compile(
    r"\b(show|describe|tables|information_schema|(duckdb|sqlite|pg|pragma)_\w+)\b", re.IGNORECASE
)
_KINDS = re.compile(rf"\b({'|'.join(kind.value for kind in DocType)})\b", re.IGNORECASE)
_FILES = re.compile(
    rf"/doc_type=({'|'.join(kind.value for kind in DocType)})/"
    r"(?:\*\*|\*|session_id=([^/*?\[\]]+))/\*\.parquet"
)
_ONE_FILE = re.compile(r"/doc_type=[^*?]*\.parquet$")
_READERS = ("read_parquet", "parquet_scan")


@attrs.frozen
class Statement:
    """SQL that is allowed to run.

    Attributes:
        text: with the schema's file names replaced.
        doc_types: kinds of documents whose views it may read.
        lists: whether it may list the views.
    """

    text: str
    doc_types: tuple[DocType, ...]
    lists: bool = False


@attrs.frozen
class _Token:
    kind: str
    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text.encode())


def read_only(text: str, roots: Iterable[str], connection: duckdb.DuckDBPyConnection) -> Statement:
    """Validate *text* and return it in runnable form.

    Args:
        text: SQL from a user.
        roots: spellings of the store's path in it, besides the schema's; the first one is used where a
            path is required.
        connection: parses the text; nothing is run.

    Raises:
        InputError: it is not SQL, more than one statement, or not read-only.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the query is not valid UTF-8 (character {error.start + 1}): correct its encoding"
        ) from error
    try:
        statements = connection.extract_statements(text)
    except core().Error as error:
        raise InputError(f"the query cannot run: {one_line(error)}") from error
    if len(statements) != 1:
        raise InputError(f"the query has {len(statements)} statements: give one")
    tokens = _tokens(text)
    _refuse_writing(_kind_of(statements[0]), tokens)
    places = list(roots)
    _refuse_single_files(tokens, places)
    return Statement(
        _with_views(text, tokens, places), kinds_named(text), bool(_LISTS.search(text))
    )


def with_exact_times(text: str, columns: Sequence[tuple[Any, ...]]) -> str | None:
    """Return *text* with its times of nanoseconds as ISO 8601 text, None if it has none.

    Args:
        text: one SELECT.
        columns: the description of its result: name and type of each column, and more.
    """
    fine = [str(column[1]) == "TIMESTAMP_NS" for column in columns]
    if not any(fine):
        return None
    last = _tokens(text)[-1]
    inner = text.encode()[: last.start if last.text == ";" else last.end].decode()
    names = [f"c{number}" for number in range(len(fine))]
    chosen = [
        f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%n')" if exact else name
        for name, exact in zip(names, fine, strict=True)
    ]
    return f"SELECT {', '.join(chosen)} FROM (\n{inner}\n) AS t({', '.join(names)})"  # noqa: S608 - it was validated


def kinds_named(text: str) -> tuple[DocType, ...]:
    """Return the kinds of documents that SQL may read."""
    if _INDIRECT.search(text):
        return tuple(DocType)
    named = {match.lower() for match in _KINDS.findall(text)}
    return tuple(kind for kind in DocType if kind.value in named)


def _kind_of(statement: duckdb.Statement) -> str:
    """Return the kind of statement that DuckDB found, "" if its Python package has no name for it."""
    try:
        return str(statement.type.name)
    except ValueError:  # e.g. CONNECT
        return ""


def _refuse_writing(kind: str, tokens: Sequence[_Token]) -> None:
    first = next((token.text.upper() for token in tokens), "nothing")
    if kind not in ("SELECT", "EXPLAIN", "MULTI"):
        raise InputError(f"the query begins with {first}: {READS}")
    refused = _WRITES if kind == "SELECT" else _ACTS
    # The same word also is an EXPLAIN keyword.
    words = [token.text.lower() for token in tokens if token.kind == "keyword"]
    if kind != "SELECT" and words[:2] == ["explain", "analyze"]:
        del words[1]
    for word in words:
        if word in refused:
            raise InputError(
                f"the query contains the word {word.upper()}: {READS}; write a column of that name in "
                "double quotes"
            )


def _refuse_single_files(tokens: Sequence[_Token], roots: Sequence[str]) -> None:
    """Refuse names of single files of the store: DuckDB may open those that it reads for a view."""
    for token in tokens:
        literal = token.text[1:-1].replace(SEED_PATH, roots[0])
        if (
            token.text[:1] in ("'", '"')
            and _ONE_FILE.search(literal)
            and literal.startswith(tuple(roots))
        ):
            raise InputError(
                f"the query names the file {literal}: SQL reads all files of a kind or of a session and "
                f"nothing else; name them as {roots[0]}/doc_type=game_tick/**/*.parquet"
            )


def _with_views(text: str, tokens: Sequence[_Token], roots: list[str]) -> str:
    """Return *text* with views instead of file names, and the store's path instead of the schema's."""
    data, done, pieces = text.encode(), 0, []
    for number, token in enumerate(tokens):
        if token.kind != "string_const" or not token.text.startswith("'"):
            continue
        literal = token.text[1:-1].replace("''", "'")
        first, last = _place_of_files(tokens, number)
        new = _view_of(literal, (SEED_PATH, *roots)) if first is not None else None
        if new is None and SEED_PATH in literal:
            first, last, new = token, token, sql_text(literal.replace(SEED_PATH, roots[0]))
        if new is not None and first is not None:
            pieces += [data[done : first.start], new.encode()]
            done = last.end
    return b"".join([*pieces, data[done:]]).decode()


def _place_of_files(tokens: Sequence[_Token], number: int) -> tuple[_Token | None, _Token]:
    """Return the first and last token of the table that the string *number* names; None if none."""
    token = tokens[number]
    before = [found.text.lower() for found in tokens[max(0, number - 3) : number]]
    after = tokens[number + 1] if number + 1 < len(tokens) else None
    if before[-1:] in (["from"], ["join"]):
        return token, token
    called = len(before) == 3 and before[0] in ("from", "join") and before[1] in _READERS
    if called and before[2] == "(" and after is not None and after.text == ")":
        return tokens[number - 2], after
    return None, token


def _view_of(literal: str, roots: Iterable[str]) -> str | None:
    """Return the view for the files that *literal* names: all of a kind, or a session's."""
    for root in roots:
        if literal.startswith(root):
            match = _FILES.fullmatch(literal[len(root) :])
            if match is not None and match[2] is None:
                return f'"{match[1]}"'
            if match is not None:
                return f'(FROM "{match[1]}" WHERE session_id = {sql_text(match[2])})'
    return None


def _tokens(text: str) -> list[_Token]:
    data = text.encode()
    found = [(start, kind.name) for start, kind in core().tokenize(text)]
    ends = [start for start, _ in found[1:]] + [len(data)]
    return [
        _Token(kind, start, data[start:end].decode().rstrip())
        for (start, kind), end in zip(found, ends, strict=True)
        if kind != "comment"
    ]


def one_line(error: BaseException) -> str:
    """Return a DuckDB message as one line: the error and its suggestion, without the query's text."""
    lines = []
    for line in str(error).strip().splitlines():
        if re.match(r"LINE \d+:", line):
            break
        lines.append(line.strip())
    return " ".join(filter(None, lines)) or type(error).__name__


def empty_view_text(doc_type: DocType) -> str:
    """Return SQL for a table without rows that has the columns of *doc_type*."""
    columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in sql_columns(doc_type))
    return f"SELECT {columns} WHERE false"
