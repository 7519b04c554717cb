"""A database embedded in a directory, opened by its URL or by `DB_STORAGE` alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import agentdb
from agentdb.config import Settings


@pytest.fixture
def directory() -> Iterator[Path]:
    """A new directory directly under the temporary root: the server's own user must be able to reach it."""
    parent = Path(tempfile.mkdtemp(prefix="agentdb-embedded-"))
    parent.chmod(0o755)
    yield parent / "pgdata"
    shutil.rmtree(parent)


async def test_a_url_of_a_directory_starts_its_own_server(directory: Path) -> None:
    """What was written is there when the server is started again, and the key lies beside the directory."""
    url = f"postgresql+embedded:///{directory}"
    async with agentdb.connect(url) as db:
        assert db.started is not None
        assert db.started.key_file == directory.with_name("pgdata.key")
        created = await db.access.create_user(email="a@example.org", with_api_key=True)
    assert created.api_key is not None

    async with agentdb.connect(url, skip_sync=True) as again:
        status = await again.status()

        assert (await again.access.authenticate(created.api_key)).email == "a@example.org"
        assert (status.engine, status.is_ready) == ("PostgreSQL", True)
        assert status.location == url


async def test_storage_alone_selects_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`DB_STORAGE` names the directory when no URL does."""
    monkeypatch.delenv("AGENTDB_URL", raising=False)
    monkeypatch.setenv("DB_STORAGE", str(directory))

    async with agentdb.connect(settings=Settings.load(env_file=None)) as db:
        status = await db.status()

        assert status.source == "DB_STORAGE"
        assert status.row_counts["Role"] == 3


async def test_two_handles_share_the_server(directory: Path) -> None:
    """The first to close does not take it from the other."""
    url = f"postgresql+embedded:///{directory}"
    first = await agentdb.connect(url)
    second = await agentdb.connect(url, skip_sync=True)
    await first.close()

    assert (await second.status()).is_ready

    await second.close()
