"""Tools: builtin ones, which everybody has and nobody changes, and those of single users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import EllipsisType
from typing import Any, Final, NamedTuple

from agentdb.engine import Row, Steps
from agentdb.engine.values import now
from agentdb.errors import AccessDeniedError, ConflictError, InvalidInputError, NotFoundError
from agentdb.records import Tool
from agentdb.services._agent import AgentVerbs
from agentdb.services._input import identifier, json_object, optional_identifier, optional_text, text
from agentdb.sql import Statements

BUILTIN: Final = "builtin"

_STATEMENTS: Final = Statements("agents")


class ToolChanges(NamedTuple):
    """Which links to tools an agent loses and gets."""

    removed: Sequence[int]
    added: Sequence[int]


class ToolVerbs(AgentVerbs):
    """Calls on tools."""

    async def tools(self, user_id: int | None, *, timeout: float | None = None) -> tuple[Tool, ...]:
        """The builtin tools and the user's own, in the order of their ids.

        Args:
            user_id: None for the builtin ones alone.
            timeout: Seconds for the whole call.

        Raises:
            DeadlineError: `timeout` has passed.
        """
        values = {"user_id": optional_identifier(user_id, "user_id")}
        rows = await self._query(partial(_STATEMENTS.rows, self._session, "tools", **values), timeout, is_short=False)
        return tuple(Tool.from_rows(rows))

    async def create_tool(
        self,
        *,
        user_id: int,
        name: str,
        type: str = "custom",  # noqa: A002 - the column's name
        description: str | None = None,
        authentication_type: str | None = None,
        endpoint: str | None = None,
        transport_type: str | None = None,
        custom_config: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Tool:
        """Make a tool that only this user has.

        Args:
            type: Anything but `builtin`.

        Raises:
            NotFoundError: No such user.
            ConflictError: The user has a tool of that name.
            InvalidInputError: The type `builtin`, or something that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was made.
        """
        values = {
            "name": text(name, "name"),
            "type": _own_type(type),
            "description": optional_text(description, "description"),
            "authentication_type": optional_text(authentication_type, "authentication_type"),
            "endpoint": optional_text(endpoint, "endpoint"),
            "transport_type": optional_text(transport_type, "transport_type"),
            "custom_config": json_object(custom_config, "custom_config"),
        }
        return await self._write(partial(self._create_tool, identifier(user_id, "user_id"), values), timeout)

    async def update_tool(
        self,
        tool_id: int,
        *,
        user_id: int,
        name: str | EllipsisType = ...,
        type: str | EllipsisType = ...,  # noqa: A002 - the column's name
        description: str | EllipsisType | None = ...,
        authentication_type: str | EllipsisType | None = ...,
        endpoint: str | EllipsisType | None = ...,
        transport_type: str | EllipsisType | None = ...,
        custom_config: Mapping[str, Any] | EllipsisType | None = ...,
        timeout: float | None = None,
    ) -> Tool:
        """Change what is named of a user's own tool, and nothing else.

        Raises:
            NotFoundError: No such tool is visible to the user.
            AccessDeniedError: It is builtin, or others have it too, whose credentials a new endpoint would receive.
            ConflictError: The user has another tool of that name.
            InvalidInputError: Nothing is named, the type `builtin`, or something that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        given: dict[str, Any] = {
            "name": name if name is ... else text(name, "name"),
            "type": type if type is ... else _own_type(type),
            "custom_config": custom_config if custom_config is ... else json_object(custom_config, "custom_config"),
        }
        texts = {
            "description": description,
            "authentication_type": authentication_type,
            "endpoint": endpoint,
            "transport_type": transport_type,
        }
        given |= {what: value if value is ... else optional_text(value, what) for what, value in texts.items()}
        changes = {what: value for what, value in given.items() if value is not ...}
        if not changes:
            raise InvalidInputError(f"An update names what is to change: {', '.join(given)}.")
        steps = partial(self._update_tool, identifier(tool_id, "tool_id"), identifier(user_id, "user_id"), changes)
        return await self._write(steps, timeout)

    async def delete_tool(self, tool_id: int, *, user_id: int, timeout: float | None = None) -> None:
        """Take a user's own tool away with its credential; with its last user it goes from every agent, too.

        Chunks that belong to the tool alone are deleted, others stay.

        Raises:
            NotFoundError: No such tool is visible to the user.
            AccessDeniedError: It is builtin.
            DeadlineError: `timeout` has passed; nothing was deleted.
        """
        steps = partial(self._delete_tool, identifier(tool_id, "tool_id"), identifier(user_id, "user_id"))
        await self._write(steps, timeout)

    def _create_tool(self, user_id: int, values: dict[str, Any]) -> Steps[Tool]:
        yield from self._locked_user(user_id)
        yield from self._check_name(user_id, values["name"])
        (tool,) = yield from _STATEMENTS.rows(self._session, "create_tool", now=now(), **values)
        yield from _STATEMENTS.rows(self._session, "own_tool", user_id=user_id, tool_id=tool["id"], now=now())
        return Tool.from_row((yield from self._tool(tool["id"], user_id)))

    def _update_tool(self, tool_id: int, user_id: int, changes: dict[str, Any]) -> Steps[Tool]:
        yield from self._locked_user(user_id)
        row = yield from self._own_tool(tool_id, user_id)
        if row["hasOtherUsers"]:
            raise AccessDeniedError(f"Tool {tool_id} has other users too. Make one of your own, and change that.")
        before = Tool.from_row(row)
        if changes.get("name", before.name) != before.name:
            yield from self._check_name(user_id, changes["name"])
        values = {
            "name": before.name,
            "type": before.type,
            "description": before.description,
            "authentication_type": before.authentication_type,
            "endpoint": before.endpoint,
            "transport_type": before.transport_type,
            "custom_config": row["customConfig"],
        }
        yield from _STATEMENTS.rows(self._session, "update_tool", tool_id=tool_id, now=now(), **{**values, **changes})
        return Tool.from_row((yield from self._tool(tool_id, user_id)))

    def _delete_tool(self, tool_id: int, user_id: int) -> Steps[None]:
        row = yield from self._own_tool(tool_id, user_id)
        yield from _STATEMENTS.rows(self._session, "disown_tool", user_id=user_id, tool_id=tool_id)
        if row["hasOtherUsers"]:
            return
        yield from _STATEMENTS.rows(self._session, "delete_tool_vectors", tool_id=tool_id)
        yield from _STATEMENTS.rows(self._session, "leave_vectors", tool_id=tool_id, now=now())
        yield from _STATEMENTS.rows(self._session, "delete_tool_links", tool_id=tool_id)
        yield from _STATEMENTS.rows(self._session, "delete_tool", tool_id=tool_id)

    def _tool(self, tool_id: int, user_id: int) -> Steps[Row]:
        row = yield from _STATEMENTS.row(self._session, "tool", tool_id=tool_id, user_id=user_id)
        if row is None:
            raise NotFoundError("tool", tool_id)
        return row

    def _own_tool(self, tool_id: int, user_id: int) -> Steps[Row]:
        yield from _STATEMENTS.rows(self._session, "lock_tool", tool_id=tool_id)
        row = yield from self._tool(tool_id, user_id)
        if row["type"] == BUILTIN:
            raise AccessDeniedError(f"Tool {tool_id} is builtin, and no user changes it. Create one of your own.")
        return row

    def _check_name(self, user_id: int, name: str) -> Steps[None]:
        rows = yield from _STATEMENTS.rows(self._session, "tools", user_id=user_id)
        for row in rows:
            if row["isOwn"] and row["name"] == name:
                raise ConflictError(f"User {user_id} has tool {row['id']} of the name {name!r}. Choose another name.")

    def _tool_ids(self, user_id: int, wanted: Sequence[str]) -> Steps[Sequence[int]]:
        """The tools that a user means by their names."""
        rows = (yield from _STATEMENTS.rows(self._session, "tools", user_id=user_id)) if wanted else ()
        return [_named(rows, name) for name in wanted]

    def _tool_changes(self, agent_id: int, user_id: int, wanted: Sequence[str]) -> Steps[ToolChanges]:
        """What an agent loses and gets, so that of the tools which the user sees it has those of the names."""
        visible = yield from _STATEMENTS.rows(self._session, "tools", user_id=user_id)
        linked = yield from _STATEMENTS.rows(self._session, "agent_tools", agent_id=agent_id)
        ids = [_named(visible, name) for name in wanted]
        present = {row["toolID"] for row in linked}
        seen = {row["id"] for row in visible}
        return ToolChanges(
            removed=sorted((present & seen) - set(ids)),
            added=[one for one in ids if one not in present],
        )

    def _link_tools(self, agent_id: int, tool_ids: Sequence[int]) -> Steps[None]:
        moment = now()
        yield _STATEMENTS.many(
            self._session,
            "add_tool",
            [{"agent_id": agent_id, "tool_id": tool_id, "now": moment} for tool_id in tool_ids],
        )

    def _unlink_tools(self, agent_id: int, tool_ids: Sequence[int]) -> Steps[None]:
        yield _STATEMENTS.many(
            self._session, "remove_tool", [{"agent_id": agent_id, "tool_id": tool_id} for tool_id in tool_ids]
        )


def _own_type(value: Any) -> str:
    if text(value, "type") == BUILTIN:
        raise InvalidInputError(f"The type {BUILTIN!r} is for seeded tools, which everybody has. Choose another one.")
    return str(value)


def _named(rows: Sequence[Row], name: str) -> int:
    """The id of the tool with a name; the user's own goes before the builtin one."""
    found = [row for row in rows if row["name"] == name]
    best = [row["id"] for row in found if row["isOwn"]] or [row["id"] for row in found]
    if not best:
        raise NotFoundError("tool", name)
    if len(best) > 1:
        raise ConflictError(
            f"{len(best)} tools are called {name!r}: ids {', '.join(map(str, best))}. Rename all of them but one."
        )
    return int(best[0])
