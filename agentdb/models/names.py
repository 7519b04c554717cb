"""The one rule that derives a column's name from its attribute.

`created_at` is `createdAt`, `user` is the column `userID`, `s3_uri` is `s3Uri`. What points to a row ends in `ID`; a
caller's own identifier such as `request_id` is plain text and ends in `Id`. The names are those of the system that
agentdb mirrors, so they are always quoted.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

Domain: TypeAlias = Literal["access", "catalog", "agents", "conversations", "knowledge", "usage", "internal"]

DOMAINS: Final[tuple[Domain, ...]] = get_args(Domain)
"""The six domains of the schema, each a module of this room, and the tables that agentdb keeps for itself."""


def column_name(attribute: str, *, is_reference: bool) -> str:
    """The column of an attribute.

    Args:
        is_reference: Whether the attribute is a relation, or the plain number of a row.
    """
    head, *rest = attribute.split("_")
    return head + "".join("ID" if word == "id" and is_reference else word.capitalize() for word in rest)


MODULES: Final = ("agentdb.models",)
"""Where Tortoise finds the tables."""

TABLE_NAMES: Final = (
    *("Role", "Policy", "RolePolicy", "User", "Provider", "Model", "Prompt", "Agent", "Tool", "AgentTool"),
    *("UserAgent", "UserTool", "Conversation", "Message", "Resource", "Vector", "Usage"),
    *("agentdb_state", "agentdb_seed", "agentdb_request", "agentdb_reservation", "agentdb_budget_reset"),
    *("agentdb_search", "agentdb_search_mark", "agentdb_usage_day", "aerich"),
)
"""All tables, for those who do not need what is in them: to import the models takes 100 ms."""
