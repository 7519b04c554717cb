"""What can go wrong, as one tree.

```
AgentDBError
├── ConfigurationError   a setting is missing or cannot be read
│   └── MissingDriverError
├── InvalidInputError    a value that no engine may see; also a ValueError
├── SchemaError          database and code are not at the same migration
├── SeedError            a row of a CSV file; names file, line and column
├── NotFoundError        no such record, or not yours
├── ConflictError        a unique or foreign key says no, or a replay differs
├── AccessDeniedError    a policy says no
│   └── AuthenticationError
├── BudgetError          a reservation or an enforced charge is larger than what remains
├── UnsupportedError     this database cannot do that
├── TransactionError     wrong task or loop, already over, or a closed handle
├── UnavailableError     not done, and safe to repeat
├── OutcomeUnknownError  perhaps done: repeat only with the same request_id
├── DeadlineError        not done within the deadline, rolled back
└── StorageError         full, read-only, corrupt or failing; see `reason`
```

A message says what was found, then what to do. The facts are attributes too. No message holds a secret.
"""

from __future__ import annotations

import reprlib
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias


class _Excerpt(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 80, 80

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out more than 4,300 digits.
        return repr(x) if x.bit_length() <= 128 else f"a number of {x.bit_length()} bits"


_EXCERPT: Final = _Excerpt()

StorageReason: TypeAlias = Literal["full", "read-only", "corrupt", "unreadable", "failing"]


def excerpt(value: object) -> str:
    """A value as a message shows it: whatever it is and however large or deep, its beginning and its end."""
    return _EXCERPT.repr(value)


def shape(value: object) -> str:
    """A value that is nobody else's business, such as a message, as an error shows it: its type and its size."""
    size = f" of {len(value):,}" if isinstance(value, (str, bytes, list, tuple, dict)) else ""
    return f"{type(value).__name__}{size}"


class AgentDBError(Exception):
    """The ancestor of everything that agentdb raises on purpose.

    Attributes:
        is_retryable: True when the same call may simply be repeated.
        engine_code: SQLSTATE or SQLite error name, when a driver reported one.
    """

    is_retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, engine_code: str | None = None) -> None:
        super().__init__(message)
        self.engine_code = engine_code

    def __reduce__(self) -> tuple[Any, ...]:
        # Agents run in worker processes. Exceptions pickle by calling the class with `args`, which keyword-only
        # constructors refuse, so the ancestor restores any of them without calling its constructor.
        return _restore, (type(self), self.args, self.__dict__)

    @classmethod
    def _restored(cls, args: tuple[Any, ...], state: dict[str, Any]) -> Self:
        error = cls.__new__(cls)
        error.args = args
        error.__dict__.update(state)
        return error


def _restore(cls: type[AgentDBError], args: tuple[Any, ...], state: dict[str, Any]) -> AgentDBError:
    return cls._restored(args, state)


class ConfigurationError(AgentDBError):
    """A setting is missing, contradicts another or cannot be read."""


class MissingDriverError(ConfigurationError):
    """The package that talks to the chosen engine is not installed."""

    def __init__(self, *, provider: str, package: str, extra: str) -> None:
        super().__init__(
            f'agentdb: provider "{provider}" requires the "{package}" package.\n'
            f'Install it with: pip install "agentdb[{extra}]"'
        )
        self.provider, self.package, self.extra = provider, package, extra


class InvalidInputError(AgentDBError, ValueError):
    """A value that not every engine can keep; nothing was sent to the database."""


class SchemaError(AgentDBError):
    """The database is not at the migration that this agentdb was written for."""

    def __init__(self, message: str | None = None, *, found: str | None, expected: str) -> None:
        super().__init__(
            message
            or f"Database schema is {found!r}, this agentdb needs {expected!r}. "
            "Run `agentdb migrate`, or connect without skip_sync."
        )
        self.found, self.expected = found, expected


class SeedError(AgentDBError):
    """A seed file that cannot be used. The database is as it was before.

    Attributes:
        file: Path of the file as given.
        line: Line in that file, counted from 1; None when the file as a whole is meant.
        column: Name of the column, when one is meant.
    """

    def __init__(self, problem: str, *, file: str, line: int | None = None, column: str | None = None) -> None:
        place = ", ".join(
            part for part in (file, f"line {line}" if line else "", f"column {column!r}" if column else "") if part
        )
        super().__init__(f"{place}: {problem}")
        self.file, self.line, self.column = file, line, column


class NotFoundError(AgentDBError):
    """No such record, or it belongs to somebody else: the two look the same on purpose."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(
            f"No {what} {excerpt(key)} is visible here. Check the id or name and the user who asks for it."
        )
        self.what, self.key = what, key


class ConflictError(AgentDBError):
    """A unique or foreign key says no, or a replay under one request_id differs from the first call.

    Attributes:
        constraint: Name of the constraint or index, when the engine tells.
        columns: Physical columns involved, when the engine tells; never their values.
    """

    def __init__(
        self,
        message: str,
        *,
        constraint: str | None = None,
        columns: tuple[str, ...] = (),
        engine_code: str | None = None,
    ) -> None:
        super().__init__(message, engine_code=engine_code)
        self.constraint, self.columns = constraint, columns


class AccessDeniedError(AgentDBError):
    """A policy, the ownership of a table, or a right of the database role says no.

    Attributes:
        service: The one that does not own what it wanted to change or read; None where that is not the reason.
        verb: The call, such as `agents.create`, or what SQL calls what a statement does.
        tables: To which tables it may not do that.
        owners: The services that write them; none if that is left to the owner of the database.
    """

    def __init__(
        self,
        message: str,
        *,
        service: str | None = None,
        verb: str | None = None,
        tables: tuple[str, ...] = (),
        owners: tuple[str, ...] = (),
        engine_code: str | None = None,
    ) -> None:
        super().__init__(message, engine_code=engine_code)
        self.service, self.verb, self.tables, self.owners = service, verb, tables, owners


class AuthenticationError(AccessDeniedError):
    """The API key is unknown or its user is not active."""


class BudgetError(AgentDBError):
    """A reservation or an enforced charge is larger than what remains; nothing was written."""

    def __init__(self, *, user_id: int, cost: Decimal, remaining: Decimal) -> None:
        super().__init__(
            f"User {user_id} has {remaining:f} US dollars left, the charge is {cost:f}. "
            "Raise the budget, or ask for less. What has been spent already is recorded without enforce_budget."
        )
        self.user_id, self.cost, self.remaining = user_id, cost, remaining


class UnsupportedError(AgentDBError):
    """This database cannot do that; the message says which can, or how to make it able."""


class TransactionError(AgentDBError):
    """A transaction or handle used from the wrong task or event loop, or after its end."""


class UnavailableError(AgentDBError):
    """The database did not do it, and the call is safe to repeat."""

    is_retryable = True


class OutcomeUnknownError(AgentDBError):
    """The database may have done it. Repeat only with the same request_id.

    Attributes:
        request_id: The one that the call had, if it had one.
    """

    request_id: str | None = None


class DeadlineError(AgentDBError):
    """Not done within the deadline; whatever had begun was rolled back."""


class StorageError(AgentDBError):
    """The storage is full, read-only or corrupt.

    Attributes:
        reason: Which of the three, "unreadable" for a file that is no database or cannot be opened, or "failing" for a
            disk or file system that reports an error.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: StorageReason,
        engine_code: str | None = None,
    ) -> None:
        super().__init__(message, engine_code=engine_code)
        self.reason = reason
