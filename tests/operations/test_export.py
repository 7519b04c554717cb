"""What a person has, as JSON: all of it, nobody else's, and no secrets."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest

from agentdb import Database, InvalidInputError, NotFoundError, StorageError, UserTool
from agentdb.operations.personal import SHOWN
from tests.operations.person import make_person, marked, rows_of

pytestmark = pytest.mark.agentdb(engine="both")


async def exported(db: Database, user_id: int) -> dict[str, Any]:
    """What is written, parsed."""
    file = io.BytesIO()
    await db.export_user(user_id, file)
    parsed: dict[str, Any] = orjson.loads(file.getvalue())
    return parsed


async def test_all_of_theirs_is_there_and_nothing_else(agent_db: Database) -> None:
    """Every row of every table, with values of JSON's own kinds."""
    ada, bob = await make_person(agent_db, "ada"), await make_person(agent_db, "bob")
    found = await exported(agent_db, ada.id)
    tables = found["tables"]
    (message,), (user,), (talk,) = tables["Message"], tables["User"], tables["Conversation"]

    assert (found["format"], found["version"], found["userID"]) == ("agentdb-user", 1, ada.id)
    assert tables.keys() == SHOWN.keys()
    assert {table: len(rows) for table, rows in tables.items()} == await rows_of(agent_db, ada)
    assert (user["email"], user["budget"]) == (ada.email, "100.0000000000")
    assert (message["content"], talk["deleted"]) == ([{"text": marked("said")}], False)
    assert message["createdAt"].endswith("+00:00")
    assert tables["Vector"][0]["embedding"] == [1.0, 2.0]
    assert str(bob.email) not in orjson.dumps(found).decode()


async def test_secrets_are_left_out(agent_db: Database) -> None:
    """API keys, credentials, and digests, in whatever form they are stored."""
    ada = await make_person(agent_db, "ada")
    await agent_db.access.issue_api_key(ada.id)
    with agent_db.use():
        await UserTool.filter(user_id=ada.id).update(credential={"sealed": "agd1$secret"})
    found = await exported(agent_db, ada.id)
    text = orjson.dumps(found).decode()

    assert "agd1$" not in text
    for column in ("apiKey", "credential", "digest", "settledDigest"):
        assert f'"{column}"' not in text


async def test_a_file_is_private_and_new(agent_db: Database, tmp_path: Path) -> None:
    """One that is there already is left alone, and after a failure there is none."""
    ada = await make_person(agent_db, "ada")
    path = tmp_path / "ada.json"
    done = await agent_db.export_user(ada.id, path)
    written = path.read_bytes()
    with pytest.raises(StorageError, match="is there already"):
        await agent_db.export_user(ada.id, path)
    with pytest.raises(NotFoundError):
        await agent_db.export_user(10**9, tmp_path / "nobody.json")
    with pytest.raises(StorageError, match="cannot be written"):
        await agent_db.export_user(ada.id, tmp_path / "nowhere" / "ada.json")
    with pytest.raises(InvalidInputError):
        await agent_db.export_user("1", tmp_path / "text.json")  # type: ignore[arg-type]  # wrong on purpose

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == written
    assert {table: len(rows) for table, rows in orjson.loads(written)["tables"].items()} == done.rows
    assert os.listdir(tmp_path) == ["ada.json"]


class FullFile(io.BytesIO):
    """Of a disk without room."""

    def write(self, data: Any, /) -> int:
        if data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return 0


async def test_what_is_no_file_for_bytes_is_refused(agent_db: Database) -> None:
    """And it is not the database that is blamed; neither for a full disk."""
    user = await agent_db.access.create_user(email="ada@example.org")
    for file in (io.StringIO(), 5, None):
        with pytest.raises(InvalidInputError, match="open for bytes"):
            await agent_db.export_user(user.id, file)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(StorageError) as caught:
        await agent_db.export_user(user.id, FullFile())

    assert caught.value.reason == "full"


async def test_long_histories_go_page_by_page(agent_db: Database) -> None:
    """More rows than one statement reads, in the order of their ids, after what stood in the file before."""
    ada = await agent_db.access.create_user(email="ada@example.org")
    talk = await agent_db.conversations.start(user_id=ada.id, agent_id=1)
    texts = [f"text {number}" for number in range(250)]
    messages = [{"role": "user", "content": [{"text": text}]} for text in texts]
    await agent_db.conversations.append_many(talk.id, user_id=ada.id, messages=messages)
    file = io.BytesIO(b"before\n")
    file.seek(0, io.SEEK_END)
    await agent_db.export_user(ada.id, file)
    before, _, rest = file.getvalue().partition(b"\n")

    assert before == b"before"
    assert [row["content"][0]["text"] for row in orjson.loads(rest)["tables"]["Message"]] == texts
