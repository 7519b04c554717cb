"""The async data layer of an agent platform.

A name is imported when it is first asked for: a process that only finds the package, as pytest does with its plugin in
every run, loads neither Tortoise nor a driver.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentdb.database import Connector, Database, connect
    from agentdb.errors import (
        AccessDeniedError,
        AgentDBError,
        AuthenticationError,
        BudgetError,
        ConfigurationError,
        ConflictError,
        DeadlineError,
        InvalidInputError,
        MissingDriverError,
        NotFoundError,
        OutcomeUnknownError,
        SchemaError,
        SeedError,
        StorageError,
        TransactionError,
        UnavailableError,
        UnsupportedError,
    )
    from agentdb.lifecycle.csv_file import load_csv
    from agentdb.lifecycle.owner import Status
    from agentdb.models import (
        TABLES,
        Agent,
        AgentTool,
        Conversation,
        Message,
        Model,
        Policy,
        Prompt,
        Provider,
        Resource,
        Role,
        RolePolicy,
        Tool,
        Usage,
        User,
        UserAgent,
        UserTool,
        Vector,
    )
    from agentdb.operations.health import Health
    from agentdb.operations.restoration import restore
    from agentdb.operations.transfer import Transfer, transfer
    from agentdb.operations.verification import verify
    from agentdb.secrets import Secret

__version__ = version("agentdb")

__all__ = [
    "TABLES",
    "AccessDeniedError",
    "Agent",
    "AgentDBError",
    "AgentTool",
    "AuthenticationError",
    "BudgetError",
    "ConfigurationError",
    "ConflictError",
    "Connector",
    "Conversation",
    "Database",
    "DeadlineError",
    "Health",
    "InvalidInputError",
    "Message",
    "MissingDriverError",
    "Model",
    "NotFoundError",
    "OutcomeUnknownError",
    "Policy",
    "Prompt",
    "Provider",
    "Resource",
    "Role",
    "RolePolicy",
    "SchemaError",
    "Secret",
    "SeedError",
    "Status",
    "StorageError",
    "Tool",
    "TransactionError",
    "Transfer",
    "UnavailableError",
    "UnsupportedError",
    "Usage",
    "User",
    "UserAgent",
    "UserTool",
    "Vector",
    "__version__",
    "connect",
    "load_csv",
    "restore",
    "transfer",
    "verify",
]

# The rooms that offer these names, the quickest to import first.
_ROOMS = (
    "agentdb.errors",
    "agentdb.secrets",
    "agentdb.models",
    "agentdb.database",
    "agentdb.lifecycle.csv_file",
    "agentdb.lifecycle.owner",
    "agentdb.operations.health",
    "agentdb.operations.transfer",
    "agentdb.operations.restoration",
    "agentdb.operations.verification",
)

if not TYPE_CHECKING:  # a type checker would take any name for one that is here

    def __getattr__(name: str) -> object:
        if name in __all__:
            for room in map(import_module, _ROOMS):
                if hasattr(room, name):
                    return globals().setdefault(name, getattr(room, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
