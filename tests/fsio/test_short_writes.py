"""A write that the system cuts short is continued where it ended."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import termios
import threading

import pytest

from vectra_bot.fsio import files


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe is Linux's")
def test_a_write_cut_short_is_continued() -> None:
    """A signal ends a write into a full pipe after its first bytes: the rest follows, each byte once."""
    data = bytes(range(256)) * 4096
    out, into = os.pipe()
    main, found = threading.main_thread().ident, []
    assert main == threading.get_ident()
    over = threading.Event()

    def drain() -> None:
        held = 0
        while held < 65536 and not over.is_set():  # until the pipe is full and the writer waits
            (held,) = struct.unpack("i", fcntl.ioctl(out, termios.FIONREAD, b"\0" * 4))
        signal.pthread_kill(main, signal.SIGUSR2)
        while block := os.read(out, 1 << 16):
            found.append(block)

    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    reader = threading.Thread(target=drain, daemon=True)
    try:
        reader.start()
        files.write_all(into, data)
    finally:
        over.set()
        os.close(into)
        reader.join()
        os.close(out)
        signal.signal(signal.SIGUSR2, before)
    assert b"".join(found) == data
