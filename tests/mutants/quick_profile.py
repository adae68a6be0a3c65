"""Pytest plugin of the mutant runners: examples that fail are not shrunk, which costs most of the time.

At the end it reports the CPU time of the process and its children.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    max_examples=75,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report the CPU time so far."""
    terminalreporter.write_line(f"cpu seconds: {sum(os.times()[:4]):.2f}")
