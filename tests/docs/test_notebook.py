"""The notebook of the docs runs in a kernel, whose event loop is running: no cell awaits anything."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"

# A separate process: the client leaves threads and sockets to the end of its process.
EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
client = NotebookClient(notebook, timeout=300, kernel_name="python3")
client.execute()
nbformat.write(notebook, sys.argv[2])
"""


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return the cells of the notebook after they were executed."""
    folder = tmp_path_factory.mktemp("notebook")
    executed = folder / "executed.ipynb"
    environment = {**os.environ, "JUPYTER_PLATFORM_DIRS": "1", "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(NOTEBOOK), str(executed)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    return found


def html_of(cell: dict[str, Any]) -> list[str]:
    """Return the HTML that a cell shows, in order."""
    return [
        "".join(output["data"]["text/html"])
        for output in cell["outputs"]
        if "text/html" in output.get("data", {})
    ]


def cell_with(cells: list[dict[str, Any]], text: str) -> dict[str, Any]:
    """Return the code cell whose source begins with *text*."""
    return next(cell for cell in cells if "".join(cell["source"]).startswith(text))


def test_a_run_shows_progress_and_its_report(cells: list[dict[str, Any]]) -> None:
    """The bar is at its end, in the cell that ran; below it is the report with its charts."""
    progress, report = html_of(cell_with(cells, "report = vectra_bot.run"))
    assert '<progress max="20" value="20"' in progress
    assert re.search(r"20 of 20 games, cash [01]\.\d{9} SOL, PnL", progress)
    assert report.startswith('<div class="vectra-report">')
    assert report.count("<svg") >= 2
    assert 'data-key="trades.win_rate"' in report


def test_a_report_prints_as_text(cells: list[dict[str, Any]]) -> None:
    text = "".join(cell_with(cells, "print(report)")["outputs"][0]["text"])
    assert text.startswith("Report\nSession ")
    assert "\nTrades " in text


def test_the_result_of_a_query_is_a_table_and_frames(cells: list[dict[str, Any]]) -> None:
    (table,) = html_of(cell_with(cells, "with vectra_bot.open_store"))
    assert table.count("<tr>") == 21 + 1  # the games, one that had begun, and the head
    assert "<th>running_pnl</th>" in table
    described = cell_with(cells, "frame =")["outputs"][0]["data"]["text/plain"]
    assert "mean" in "".join(described)
    assert html_of(cell_with(cells, "games.pl()"))


def test_no_cell_failed_or_awaits(cells: list[dict[str, Any]]) -> None:
    for cell in cells:
        outputs = cell.get("outputs", [])
        assert [
            o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"
        ] == []
        assert "await " not in "".join(cell["source"]).replace("no `await`", "")
