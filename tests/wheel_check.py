"""Use the built wheel as a stranger does: `python tests/wheel_check.py DIRECTORY_OF_THE_WHEEL`, run by `nox -s wheel`.

The wheel goes into an environment of its own, far from the source, whose site-packages is then made read-only (also for
root, which gives up its right to ignore permissions). There the demo runs, and a project without any conftest tests
with the plugin.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

TEST = """
async def test_a_stranger_gets_a_database(agent_db):
    user = await agent_db.access.create_user(email="stranger@example.org")

    assert (await agent_db.agents.resolve("Standard Chat", user_id=user.id)).name == "Standard Chat"
"""

EXPECTED = (
    "agentdb/py.typed",
    "agentdb/_migrations/agentdb/0001_initial.py",
    "agentdb/_migrations/agentdb/0002_services.py",
    "agentdb/lifecycle/data/roles.csv",
    "agentdb/lifecycle/data/prompts/ada.txt",
    "agentdb/sql/usage.sql",
)


def main(built: Path) -> None:
    """Check the newest wheel in `built`."""
    wheel = max(built.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    names = zipfile.ZipFile(wheel).namelist()
    missing = set(EXPECTED) - set(names)
    assert not missing, f"not in the wheel: {sorted(missing)}"
    strays = [name for name in names if "__pycache__" in name or name.startswith("tests")]
    assert not strays, f"in the wheel by mistake: {strays}"
    with tempfile.TemporaryDirectory(prefix="agentdb-wheel-") as place:
        check(wheel, Path(place))


def check(wheel: Path, place: Path) -> None:
    """Install, lock, use."""
    environment = place / "environment"
    run([sys.executable, "-m", "venv", "--without-pip", environment], cwd=place)
    python = environment / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run([*pip, f"{wheel}[pytest]"], cwd=place)
    (place / "test_stranger.py").write_text(TEST)
    packages = next(environment.glob("lib/python*/site-packages"))
    before = listing(packages)
    set_writable(packages, writable=False)
    try:
        run([*without_override(), environment / "bin" / "agentdb", "demo"], cwd=place)
        run(
            [*without_override(), python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"],
            cwd=place,
        )
    finally:
        set_writable(packages, writable=True)
    assert listing(packages) == before, "something was written into site-packages"
    print(f"{wheel.name}: installed, migrated, seeded and tested from a read-only site-packages")  # noqa: T201 - a script


def run(command: list[str | Path], *, cwd: Path) -> None:
    """Run without anything of this checkout in sight."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AGENTDB_", "PYTHON", "PG", "DB_"))
    }
    subprocess.run(command, cwd=cwd, check=True, env=kept | {"PYTHONDONTWRITEBYTECODE": "1", "HOME": str(cwd)})


def without_override() -> list[str | Path]:
    """What takes root's right to ignore permissions away from a command; nothing for anybody else."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"] if setpriv and os.geteuid() == 0 else []


def set_writable(directory: Path, *, writable: bool) -> None:
    """Give or take the right to write below `directory`."""
    for path in (directory, *directory.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o200 if writable else mode & ~0o222)


def listing(directory: Path) -> dict[str, int]:
    """Every file with the time of its last change."""
    return {str(path): path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file()}


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
