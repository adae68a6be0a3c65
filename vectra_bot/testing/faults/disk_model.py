"""A model of a disk with volatile caches: what a power failure may leave of a store's operations.

Every file has a visible state and a durable (flushed) one; so has every directory. Between the two are
pending changes, and a power failure keeps any subset of them:

- of a file any page (4 KiB) as after any of the writes since the last sync, also torn between two such
  states at a sector (512 B), also with a partial write; its size may have grown without its bytes (zeros);
- of the names any set of the changes whose directories were not synced since, a rename or an exchange
  completely or not at all, in the order of a journaling file system (a prefix) or in no order.

A file's sync does not make its name durable: that needs a sync of its directory.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import define, field

from vectra_bot.fsio import Op

PAGE = 4096
SECTOR = 512

Tree = dict[str, bytes | None]
"""A tree of files by path relative to its root; None for a directory."""


class SeamError(Exception):
    """An operation does not fit the model: something was changed without the observed functions."""


@define(eq=False)
class DiskFile:
    """One file: *now* and *durable* bytes, and the operations since the last sync."""

    now: bytearray = field(factory=bytearray)
    durable: bytes = b""
    pending: list[Op] = field(factory=list)

    def apply(self, op: Op) -> None:
        """Apply a write, truncate or allocate."""
        _change(self.now, op)
        self.pending.append(op)

    def sync(self) -> None:
        """Make the current content durable."""
        if self.pending:
            self.durable = bytes(self.now)
            self.pending = []

    def draw(self, chance: random.Random) -> bytes:
        """Return a random state after a power failure."""
        if not self.pending:
            return self.durable
        way = chance.random()
        if way < 0.15:
            return self.durable
        if way < 0.3:
            return bytes(self.now)
        if way < 0.5:
            return self._prefix(chance)
        return self._pages(chance)

    def _prefix(self, chance: random.Random) -> bytes:
        content = bytearray(self.durable)
        for op in self.pending[: chance.randint(0, len(self.pending))]:
            _change(content, op)
        return bytes(content)

    def _pages(self, chance: random.Random) -> bytes:
        """Let every page, and the size, stop at an independent moment."""
        sizes = [len(self.durable)]
        for op in self.pending:
            end = op.offset + len(op.data)
            sizes.append(op.offset if op.kind == "truncate" else max(sizes[-1], end))
        content = bytearray(max(sizes))
        content[: len(self.durable)] = self.durable
        for start, ops in self._dirty(max(sizes)).items():
            page = bytearray(content[start : start + PAGE])
            content[start : start + len(page)] = _draw_page(page, start, ops, chance)
        return bytes(content[: chance.choice(sizes[-1:] + sizes)])

    def _dirty(self, size: int) -> dict[int, list[Op]]:
        """Return the operations on each changed page."""
        found: dict[int, list[Op]] = {}
        for op in self.pending:
            if op.kind == "write":
                end = op.offset + len(op.data)
            elif op.kind == "truncate":
                end = size
            else:
                continue
            for start in range(op.offset // PAGE * PAGE, end, PAGE):
                found.setdefault(start, []).append(op)
        return found


def _change(content: bytearray, op: Op) -> None:
    end = op.offset + len(op.data)
    if op.kind == "truncate" and op.offset < len(content):
        del content[op.offset :]
    elif end > len(content):
        content.extend(bytes(end - len(content)))
    content[op.offset : end] = op.data


def _draw_page(page: bytearray, start: int, ops: list[Op], chance: random.Random) -> bytes:
    one = _page_after(page, start, ops, chance)
    if chance.random() < 0.6:
        return one
    other = _page_after(page, start, ops, chance)
    pieces = (
        (one if chance.random() < 0.5 else other)[at : at + SECTOR]
        for at in range(0, len(page), SECTOR)
    )
    return b"".join(pieces)


def _page_after(page: bytearray, start: int, ops: list[Op], chance: random.Random) -> bytes:
    """Return a page after some of *ops*, the last of them possibly partial."""
    number = chance.randint(0, len(ops))
    result = bytearray(page)
    for index, op in enumerate(ops[: number + 1]):
        data = op.data
        if index == number:
            if op.kind != "write" or chance.random() < 0.7:
                break
            data = data[: chance.randrange(len(data))] if data else data
        if op.kind == "truncate":
            low = max(op.offset - start, 0)
            result[low:] = bytes(len(result) - low)
            continue
        low, high = max(op.offset, start), min(op.offset + len(data), start + len(result))
        if low < high:
            result[low - start : high - start] = data[low - op.offset : high - op.offset]
    return bytes(result)


@define(eq=False)
class DiskFolder:
    """One directory: names as they are *now* and as they are *durable*."""

    now: dict[str, Any] = field(factory=dict)
    durable: dict[str, Any] = field(factory=dict)


@define(eq=False)
class Change:
    """One change of names, kept completely or not at all: (folder, name, new holder or None)."""

    entries: list[tuple[DiskFolder, str, DiskFile | DiskFolder | None]]


@define
class Disk:
    """The disk below *root*; operations elsewhere are ignored."""

    root: Path
    top: DiskFolder = field(factory=DiskFolder)
    changes: list[Change] = field(factory=list)

    def put(self, path: Path, data: bytes | None) -> None:
        """Place a file with *data*, or a directory, that is durable from the start."""
        folder, name = self._parent(path)
        node = DiskFolder() if data is None else DiskFile(bytearray(data), data)
        folder.now[name] = folder.durable[name] = node

    def _find(self, path: Path) -> DiskFile | DiskFolder | None:
        node: Any = self.top
        for name in path.relative_to(self.root).parts:
            node = node.now.get(name) if isinstance(node, DiskFolder) else None
        return node  # type: ignore[no-any-return]

    def _parent(self, path: Path) -> tuple[DiskFolder, str]:
        node = self._find(path.parent)
        if not isinstance(node, DiskFolder):
            raise SeamError(f"{path.parent} is not a directory made through the seam")
        return node, path.name

    def apply(self, op: Op) -> None:
        """Apply *op*.

        Raises:
            SeamError: it needs something that the earlier operations did not make.
        """
        if not op.path.is_relative_to(self.root):
            return
        match op.kind:
            case "write" | "truncate" | "allocate":
                node = self._find(op.path)
                if isinstance(node, DiskFile):
                    node.apply(op)
                elif op.path.suffix != " (deleted)" and " (deleted)" not in op.path.name:
                    raise SeamError(f"{op.kind} of {op.path}, which the seam did not make")
            case "sync":
                node = self._find(op.path)
                if isinstance(node, DiskFile):
                    node.sync()
            case "sync_directory":
                node = self._find(op.path)
                if isinstance(node, DiskFolder):
                    self._sync(node)
            case _:
                self._rename(op)

    def _rename(self, op: Op) -> None:
        folder, name = self._parent(op.path)
        holder = folder.now.get(name)
        entries: list[tuple[DiskFolder, str, DiskFile | DiskFolder | None]]
        match op.kind:
            case "create":
                entries = [] if holder else [(folder, name, DiskFile())]
            case "mkdir":
                entries = [] if holder else [(folder, name, DiskFolder())]
            case "unlink" | "rmdir":
                entries = [(folder, name, None)] if holder else []
            case _:
                assert op.target is not None
                other, new = self._parent(op.target)
                back = other.now.get(new) if op.kind == "exchange" else None
                if holder is None or (op.kind == "exchange" and back is None):
                    raise SeamError(f"{op.kind} of {op.path} to {op.target}: nothing is there")
                entries = [(folder, name, back), (other, new, holder)]
        for where, entry, node in entries:
            _set(where.now, entry, node)
        if entries:
            self.changes.append(Change(entries))

    def _sync(self, folder: DiskFolder) -> None:
        """Make the names of *folder* durable, and what they depend on."""
        needed: set[tuple[int, str]] = set()
        flushed, kept = [], []
        for change in reversed(self.changes):
            keys = {(id(where), name) for where, name, _ in change.entries}
            if needed & keys or any(where is folder for where, _, _ in change.entries):
                needed |= keys
                flushed.append(change)
            else:
                kept.append(change)
        self.changes = kept[::-1]
        for change in reversed(flushed):
            for where, name, node in change.entries:
                _set(where.durable, name, node)

    def crash(self, chance: random.Random) -> Tree:
        """Return a random state after a power failure; the disk itself is unchanged."""
        held: dict[int, dict[str, Any]] = {}
        for change in self._kept(chance):
            for where, name, node in change.entries:
                names = held.setdefault(id(where), dict(where.durable))
                _set(names, name, node)
        contents: dict[int, bytes] = {}
        tree: Tree = {}
        for path, node in _walk(self.top, held, ""):
            if isinstance(node, DiskFolder):
                tree[path] = None
            else:
                if id(node) not in contents:
                    contents[id(node)] = node.draw(chance)
                tree[path] = contents[id(node)]
        return tree

    def _kept(self, chance: random.Random) -> list[Change]:
        way = chance.random()
        if way < 0.2:
            return []
        if way < 0.35:
            return self.changes
        if way < 0.65:
            return self.changes[: chance.randint(0, len(self.changes))]
        share = chance.random()
        return [change for change in self.changes if chance.random() < share]

    def now(self) -> Tree:
        """Return the visible tree."""
        return {
            path: None if isinstance(node, DiskFolder) else bytes(node.now)
            for path, node in _walk(self.top, None, "")
        }


def _set(names: dict[str, Any], name: str, node: DiskFile | DiskFolder | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _walk(
    folder: DiskFolder,
    held: dict[int, dict[str, Any]] | None,
    prefix: str,
    above: tuple[int, ...] = (),
) -> Iterator[tuple[str, DiskFile | DiskFolder]]:
    """Yield the content of *folder*: visible if *held* is None, else by durable names and those of *held*."""
    names = folder.now if held is None else held.get(id(folder), folder.durable)
    above = (*above, id(folder))
    for name, node in sorted(names.items()):
        yield prefix + name, node
        # An exchange half undone by another change could make a directory its own parent.
        if isinstance(node, DiskFolder) and id(node) not in above:
            yield from _walk(node, held, f"{prefix}{name}/", above)


def read_tree(root: Path) -> Tree:
    """Return the tree below *root*."""
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in root.rglob("*")
    }


def write_tree(root: Path, tree: Tree) -> None:
    """Write the files of *tree* below *root*."""
    root.mkdir(parents=True, exist_ok=True)
    for name, data in tree.items():
        path = root / name
        if data is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.write_bytes(data)
