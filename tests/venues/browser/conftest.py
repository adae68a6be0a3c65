"""Pages of these tests have the stock JavaScript client where it can be had, else the small one of `page`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.server.stock_client import stock_client


@pytest.fixture(autouse=True)
def _stock_client(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Name the stock client to the page of a test with a browser."""
    if request.node.get_closest_marker("browser") and "VECTRA_SOCKET_IO_JS" not in os.environ:
        found = stock_client(tmp_path_factory.getbasetemp().parent / "stock-client")
        if isinstance(found, Path):
            monkeypatch.setenv("VECTRA_SOCKET_IO_JS", str(found))
