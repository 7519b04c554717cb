"""`python -m benchmarks`: run, print a table, write JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import extra
from benchmarks.data import FULL, QUICK, Size
from benchmarks.harness import Plan, Section, run
from benchmarks.places import PostgresPlace, SqlitePlace
from benchmarks.report import as_json, rows_of, table, uvloop_table
from benchmarks.stages import PROCESSORS, STAGES, table_of
from benchmarks.stores import Store, postgres_server, postgres_store, sqlite_store
from benchmarks.targets import ENGINES, POSTGRES, SLACK, SQLITE, SQLITE_FAST
from benchmarks.workloads import WORKLOADS

_TITLES = {
    SQLITE: "SQLite, durability full",
    SQLITE_FAST: "SQLite, durability fast",
    POSTGRES: "PostgreSQL",
}
_PACKAGES = ("agentdb", "tortoise-orm", "sqlalchemy", "aiosqlite", "asyncpg", "orjson", "pydantic", "uvloop")


def main() -> int:
    """Exit status 0; with `--check` 1 if a row fails or something was redone one by one."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and end what was started
    begun = perf_counter()
    sections, extras = list[Section](), dict[str, Any]()
    for engine in _engines(options.engine):
        with _store(engine, options) as store:
            sections.append(run(engine, store, _plan(options), _say))
            _print_section(sections[-1])
            if options.extra:
                extras[engine] = _extra(engine, store, options)
        _write(options, sections, extras)
    is_good = _print_verdict(sections)
    _say(f"{perf_counter() - begun:.0f} s")
    return 1 if options.check and not is_good else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How fast the services are.")
    parser.add_argument("--engine", choices=("sqlite", SQLITE_FAST, "postgres"), action="append", help="default: all")
    parser.add_argument("--workload", choices=[one.key for one in WORKLOADS], action="append", help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.25, help="of calls in a round (0.25)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, 3 rounds, to see that it works")
    parser.add_argument(
        "--extra",
        action="store_true",
        help="also where the time goes, uvloop, several processes, a slow network, memory",
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a target is missed")
    parser.add_argument("--directory", type=Path, help="for the databases; on a disk that keeps what it says it kept")
    options = parser.parse_args()
    if options.quick:
        options.rounds = min(options.rounds, 3)
    return options


def _engines(asked: Sequence[str] | None) -> Sequence[str]:
    if not asked:
        return ENGINES
    return [engine for engine in ENGINES if engine in asked or (engine == SQLITE_FAST and SQLITE in asked)]


def _size(options: argparse.Namespace) -> Size:
    return QUICK if options.quick else FULL


def _plan(options: argparse.Namespace) -> Plan:
    workloads = [one for one in WORKLOADS if not options.workload or one.key in options.workload]
    return Plan(workloads, _size(options), options.rounds, options.seconds, has_uvloop=options.extra)


@contextmanager
def _store(engine: str, options: argparse.Namespace) -> Iterator[Store]:
    _say(f"{engine}: making the database")
    with tempfile.TemporaryDirectory(prefix="agentdb-bench-", dir=options.directory) as directory:
        os.chmod(directory, 0o755)  # the embedded server may run as another user
        if engine == POSTGRES:
            with postgres_server(Path(directory, "server")) as server, postgres_store(server, _size(options)) as store:
                yield store
        else:
            with sqlite_store(Path(directory), _size(options), is_fast=engine == SQLITE_FAST) as store:
                yield store


def _extra(engine: str, store: Store, options: argparse.Namespace) -> dict[str, Any]:
    size, found = _size(options), dict[str, Any]()
    place = store.copy("extra")
    _say(f"{engine}: where the time goes")
    if isinstance(place, SqlitePlace):
        found["stages"] = alone = extra.stages(place, size)
        print(table_of(STAGES, alone, "us of a lone write"), end="\n\n")
    found["processors"] = together = extra.processors(place, size)
    print(table_of(PROCESSORS, together, "us of the processor for a write of 16 tasks"), end="\n\n")
    if isinstance(place, SqlitePlace):
        _say(f"{engine}: several processes")
        found["processes"] = extra.processes(place, size, seconds=8 * options.seconds)
        print(extra.processes_table(found["processes"]), end="\n\n")
    if isinstance(place, PostgresPlace):
        _say(f"{engine}: a slow network")
        found["slow_network"] = extra.slow_network(place, size, seconds=options.seconds, rounds=options.rounds)
        print(extra.slow_network_table(found["slow_network"]), end="\n\n")
    found["memory"] = memory = extra.memory(place, size)
    print(
        f"A handle of agentdb takes {memory['resident_bytes'] / 1024:,.0f} KiB of the process, "
        f"{memory['python_bytes'] / 1024:,.0f} KiB of it Python objects (mean of {memory['handles']}).\n"
    )
    return found


def _print_section(section: Section) -> None:
    print(f"\n{_TITLES[section.engine]} (slack {SLACK[section.engine] - 1:.0%})\n")
    rows = rows_of(section)
    print(table(rows), end="\n\n")
    if on_uvloop := uvloop_table(rows):
        print(on_uvloop, end="\n\n")
    for row in rows:
        for name, one in row.contestants.items():
            if one.errors:
                print(f"{row.key}: {name} failed {sum(one.errors.values())} of {one.calls} times: {list(one.errors)}")
    print(f"{_redone(section)}\n", flush=True)


def _print_verdict(sections: Sequence[Section]) -> bool:
    failed = [f"{row.engine} {row.key}" for section in sections for row in rows_of(section) if row.is_failed]
    print(f"Below target: {', '.join(failed) or 'none'}.")
    return not failed and not any(times for section in sections for times in section.fallbacks.values())


def _redone(section: Section) -> str:
    counted = (f"{name} {times}" for name, times in section.fallbacks.items())
    return f"Groups or batches redone one by one: {', '.join(counted)}."


def _write(options: argparse.Namespace, sections: Sequence[Section], extras: dict[str, Any]) -> None:
    """After each engine: what comes next may fail."""
    if options.json:
        options.json.write_text(json.dumps(_document(options, sections, extras), indent=1) + "\n", "utf-8")


def _document(options: argparse.Namespace, sections: Sequence[Section], extras: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()},
        "machine": {"system": platform.platform(), "cpus": os.cpu_count(), "load": os.getloadavg()},
        "versions": {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **{name: version(name) for name in _PACKAGES},
        },
        "rows": as_json([row for section in sections for row in rows_of(section)]),
        "fallbacks": {section.engine: section.fallbacks for section in sections},
        "extra": extras,
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
