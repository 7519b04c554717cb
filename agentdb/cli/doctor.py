"""Whether all is well with a database: for people, and for probes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from agentdb.cli.commands import AsJson, Url, place_rows
from agentdb.cli.output import Table, answer
from agentdb.config import Settings
from agentdb.engine import Target, resolve

if TYPE_CHECKING:
    from agentdb.operations.doctor import Checkup
    from agentdb.operations.health import Health


async def doctor(
    *,
    deep: Annotated[
        bool,
        Parameter(negative="", help="Also read every page and reference, and write a row and take it away."),
    ] = False,
    fail_on: Annotated[
        Literal["warning", "error"], Parameter(help="The least severe finding that makes the exit status 1.")
    ] = "warning",
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Examine a database, also one that cannot be opened, and say what to do. Findings exit with 1."""
    from agentdb.operations.doctor import examine

    settings = Settings.load()
    target = resolve(url, settings)
    checkup = await examine(target, settings, deep=deep)
    answer(_data(checkup), *_shown(target, checkup), as_json=as_json)
    failing = {"warning", "error"} if fail_on == "warning" else {"error"}
    return int(any(finding.severity in failing for finding in checkup.findings))


def _data(checkup: Checkup) -> dict[str, object]:
    health = checkup.health and {"status": checkup.health.status, **asdict(checkup.health)}
    status = checkup.health.status if checkup.health else "down"
    return {"status": status, "needs_care": checkup.needs_care, **asdict(checkup), "health": health}


def _shown(target: Target, checkup: Checkup) -> list[str | Table]:
    health = _facts(checkup.health) if checkup.health else [("status", "cannot be opened")]
    findings = [(finding.severity, finding.code, finding.found, finding.advice) for finding in checkup.findings]
    return [
        Table([*place_rows(target), *health]),
        Table(findings, ("severity", "code", "found", "what to do")) if findings else "Nothing found: all is well.",
    ]


def _facts(health: Health) -> list[tuple[str, str]]:
    connections = health.connections
    return [
        ("version", health.version or "unknown"),
        ("schema", health.schema_version or "none"),
        ("status", health.status),
        ("read", f"{health.read_s * 1000:.1f} ms" if health.read_s is not None else "failed"),
        *([("write", f"{health.write_s * 1000:.1f} ms")] if health.write_s is not None else []),
        ("connections", f"at most {connections.limit}"),
    ]
