"""Use the built wheel as a stranger does: `python tests/wheel_check.py DIRECTORY_OF_THE_WHEEL`, run by `nox -s wheel`.

First its contents are compared with `tests/wheel_contents.txt`, name by name; `--renew` writes that list anew.

The wheel goes into an environment of its own, with the dependencies that the lock names and far from the source, whose
site-packages is then made read-only (also for root, which gives up its right to ignore permissions). There the demo
runs, and a project without any conftest tests with the plugin.
"""

from __future__ import annotations

import hashlib
import os
import re
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

CONTENTS = Path(__file__).with_name("wheel_contents.txt")
LOCK = Path(__file__).parents[1] / "requirements" / "dev.txt"
RENEW = "--renew"


def main(built: Path, *, is_renewed: bool) -> None:
    """Check the newest wheel in `built`."""
    wheel = max(built.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    names = contents(wheel)
    if is_renewed:
        CONTENTS.write_text("".join(f"{name}\n" for name in names))
    differences = compared(names, CONTENTS.read_text().splitlines())
    assert not differences, "\n".join(
        [
            f"{wheel.name} does not hold what {CONTENTS.name} says:",
            *differences,
            f"If it should: nox -s wheel -- {RENEW}",
        ]
    )
    with tempfile.TemporaryDirectory(prefix="agentdb-wheel-") as place:
        check(wheel, Path(place))


def contents(wheel: Path) -> list[str]:
    """The names in a wheel, sorted, with a star in place of the version."""
    with zipfile.ZipFile(wheel) as archive:
        return sorted(
            re.sub(r"^agentdb-[^/]+\.dist-info/", "agentdb-*.dist-info/", name) for name in archive.namelist()
        )


def compared(names: list[str], expected: list[str]) -> list[str]:
    """What is in the wheel and should not be, and the other way round, one line each."""
    missing = [f"missing: {name}" for name in expected if name not in names]
    return missing + [f"not expected: {name}" for name in names if name not in expected]


def check(wheel: Path, place: Path) -> None:
    """Install, lock, use."""
    environment = place / "environment"
    run([sys.executable, "-m", "venv", "--without-pip", environment], cwd=place)
    python = environment / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    requirement = f"agentdb[pytest] @ {wheel.as_uri()}#sha256={digest}"
    run([*pip, "--require-hashes", "--constraint", LOCK, requirement], cwd=place)
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
    main(Path(sys.argv[1]).resolve(), is_renewed=RENEW in sys.argv[2:])
