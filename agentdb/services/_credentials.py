"""What users call tools with: sealed, and shown to the user it belongs to and to nobody else."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from agentdb.config import Secret
from agentdb.engine import Steps
from agentdb.engine.values import json_text, now
from agentdb.secrets import place_of, unwrapped, wrapped
from agentdb.services._input import identifier, secret_text
from agentdb.services._tools import ToolVerbs
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("agents")


class CredentialVerbs(ToolVerbs):
    """Calls on the credentials of tools."""

    async def set_tool_credential(
        self, tool_id: int, *, user_id: int, credential: str | Secret | None, timeout: float | None = None
    ) -> None:
        """Keep what this user calls a tool with, sealed; None forgets it. Builtin tools can have one for each user.

        Raises:
            NotFoundError: No such user, or no such tool is visible to the user.
            ConfigurationError: There is no secret key to seal it with.
            InvalidInputError: An empty text, or one that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        steps = partial(
            self._set_credential,
            identifier(tool_id, "tool_id"),
            identifier(user_id, "user_id"),
            secret_text(credential, "credential"),
        )
        await self._write(steps, timeout)

    async def tool_credential(self, tool_id: int, *, user_id: int, timeout: float | None = None) -> Secret | None:
        """What this user calls a tool with, if it is known.

        Raises:
            NotFoundError: No such tool is visible to the user.
            ConfigurationError: It was sealed with another key, or there is none.
            StorageError: It was changed or copied from another place.
            DeadlineError: `timeout` has passed.
        """
        steps = partial(self._tool, identifier(tool_id, "tool_id"), identifier(user_id, "user_id"))
        row = await self._query(steps, timeout, is_short=True)
        return None if row["credential"] is None else self._revealed(row["credential"], row["userToolID"])

    def _set_credential(self, tool_id: int, user_id: int, credential: str | None) -> Steps[None]:
        yield from self._locked_user(user_id)
        row = yield from self._tool(tool_id, user_id)
        user_tool_id = row["userToolID"]
        if user_tool_id is None:
            # The value is bound to the id of its row, which therefore comes first.
            (link,) = yield from _STATEMENTS.rows(
                self._session, "own_tool", user_id=user_id, tool_id=tool_id, now=now()
            )
            user_tool_id = link["id"]
        yield from _STATEMENTS.rows(
            self._session,
            "set_credential",
            user_tool_id=user_tool_id,
            credential=None if credential is None else self._sealed(credential, user_tool_id),
            now=now(),
        )

    def _sealed(self, credential: str, user_tool_id: int) -> str:
        kept = self._vault.protect(credential, table="UserTool", column="credential", row_id=user_tool_id)
        return json_text(kept) if self._vault.mode == "plain" else wrapped(kept)

    def _revealed(self, stored: Any, user_tool_id: int) -> Secret:
        # The original package keeps any JSON as it is.
        kept = unwrapped(stored, place=place_of("UserTool", "credential", user_tool_id))
        return self._vault.reveal(kept, table="UserTool", column="credential", row_id=user_tool_id)
