"""What the faults have shown, at the end of a test run: also of one that ran in several processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import pytest

Tell: TypeAlias = Callable[[str], None]

_NAME: Final = "faults"


@pytest.fixture
def tell(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Tell:
    """Takes a line for the section `faults` at the end."""
    return lambda line: record_property(_NAME, f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The lines of all tests."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    lines = [
        line
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, line in report.user_properties
        if name == _NAME
    ]
    if lines:
        terminalreporter.section(_NAME)
        for line in lines:
            terminalreporter.write_line(str(line))
