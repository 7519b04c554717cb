"""The questions that every database engine answers.

The rest of the package asks a `Dialect` and never compares names, so a further engine is new files here, one line in
`agentdb.engine.location`, and one SQL body per migration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError

from agentdb.config import Settings
from agentdb.engine.steps import Row
from agentdb.engine.url import Url
from agentdb.engine.values import CHECKS, Checks
from agentdb.errors import AgentDBError, ConfigurationError, ConflictError, SchemaError, UnavailableError

if TYPE_CHECKING:
    from agentdb.engine.client import Client
    from agentdb.engine.diagnosis import Diagnosis
    from agentdb.engine.introspection import Catalogue
    from agentdb.engine.native_copy import NativeCopy
    from agentdb.engine.orm import TortoiseClient
    from agentdb.engine.word_table import WordTable


APP: Final = "agentdb"
"""The label of our tables in Tortoise and in aerich."""


Read: TypeAlias = Callable[[str, Sequence[Any]], Awaitable[Sequence[Row]]]
"""Runs a statement that reads, with positional parameters; its rows."""


class RefusedError(ConflictError):
    """A constraint said no."""


class MissingRelationError(SchemaError):
    """A table or column is not there."""

    def __init__(self, told: str, *, engine_code: str | None) -> None:
        super().__init__(f"{told}. Run `agentdb migrate`, or connect without skip_sync.", found=None, expected="head")
        self.engine_code = engine_code


class ConnectionLostError(UnavailableError):
    """The connection ended. Whether a write outside a transaction was done is then unknown."""


class Options(BaseModel):
    """Options that every engine knows: deadlines in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connect_timeout_s: PositiveFloat
    acquire_timeout_s: PositiveFloat
    statement_timeout_s: PositiveFloat
    transaction_timeout_s: PositiveFloat
    call_timeout_s: PositiveFloat


OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(ABC):
    """One database, located: what a URL or the environment came down to.

    Attributes:
        source: Which setting won, as the user would write it.
    """

    dialect: Dialect
    source: str

    @property
    @abstractmethod
    def options(self) -> Options:
        """The options in force."""

    @property
    @abstractmethod
    def shown(self) -> str:
        """Where the database is, without secrets."""

    @property
    @abstractmethod
    def key_file(self) -> Path | None:
        """Where the secret key of a database in files lies when no setting names one; None for any other."""

    @property
    @abstractmethod
    def is_ephemeral(self) -> bool:
        """Whether the database ends with its handle."""


class Dialect(ABC):
    """One database engine."""

    name: ClassVar[str]
    """As migrations, SQL files and Tortoise call it."""

    title: ClassVar[str]
    """As people call it."""

    merges_writes: ClassVar[bool] = False
    """Whether the writes of many callers leave as one statement; see `agentdb.engine.batch`."""

    alters_columns: ClassVar[bool] = True
    """Whether a column's type, null and foreign key can be changed in place; if not, its table is rebuilt."""

    word_table: ClassVar[WordTable | None] = None
    """Where the words of messages are looked up, if the table that keeps them cannot be indexed for it."""

    checks: ClassVar[Checks] = CHECKS
    """How the driver takes a value of each type, unless no engine may see it."""

    @abstractmethod
    def target(self, url: Url, settings: Settings, *, source: str) -> Target:
        """Locate the database of `url`.

        Raises:
            ConfigurationError: An unknown option, or a part that is missing or cannot be read.
        """

    @abstractmethod
    def client(self, target: Target, *, create: bool) -> Client:
        """A client for `target`, not yet connected.

        Args:
            create: Whether a missing database file may be made.

        Raises:
            MissingDriverError: The driver is not installed.
        """

    @abstractmethod
    def tortoise_client(self, client: Client) -> TortoiseClient:
        """A client as Tortoise sees it. Importing Tortoise takes 60 ms, which most services never need."""

    @abstractmethod
    async def prepare(self, target: Target, *, create_database: bool) -> None:
        """Before the owner opens it: make the place of a database in files, or with `create_database` a server's.

        Raises:
            StorageError: The place cannot be made.
            AgentDBError: The server refused.
        """

    @abstractmethod
    def migration_lock(self, client: Client, *, timeout_s: float) -> AbstractAsyncContextManager[None]:
        """Hold the one lock per database under which it is migrated and seeded, in this and every other process."""

    @abstractmethod
    def migration(self, client: Client) -> AbstractAsyncContextManager[None]:
        """The transaction of one migration: READ COMMITTED, without deadlines, all or nothing.

        Where tables are changed by rebuilding them, foreign keys are not enforced inside, and checked at the end.

        Raises:
            SchemaError: Rows violate a foreign key at the end; it was rolled back.
        """

    @property
    @abstractmethod
    def catalogue(self) -> Catalogue:
        """How the engine tells its schema."""

    @property
    @abstractmethod
    def diagnosis(self) -> Diagnosis:
        """How the engine tells that it is well."""

    @property
    @abstractmethod
    def native_copy(self) -> NativeCopy:
        """How the engine copies a whole database by its own means."""

    @abstractmethod
    async def lock_table(self, client: Client, table: str) -> None:
        """Keep everybody else from inserting into `table` until the transaction ends."""

    @abstractmethod
    async def identity(self, client: Client) -> str:
        """What the database itself says it is: equal for one database, whatever name it was opened by."""

    @abstractmethod
    async def last_id(self, read: Read, table: str) -> int:
        """The greatest id that the database has made for `table` by itself, also of a deleted row; 0 if none."""

    @abstractmethod
    async def advance_ids(self, client: Client, table: str, *, at_least: int = 0) -> None:
        """After rows with ids of their own: let the next id that the database makes be a free one. Never backwards.

        Args:
            at_least: And greater than this one.
        """

    @abstractmethod
    async def empty_tables(self, client: Client, tables: Sequence[str]) -> None:
        """Delete all rows of tables, parents first, inside the caller's transaction. Ids are not made again."""

    @abstractmethod
    async def original_columns(self, client: Client) -> tuple[set[tuple[str, str]], set[str]]:
        """All columns as (table, column), and the names of unique indexes, in one catalogue query.

        Raises:
            UnsupportedError: The original package never ran on this engine.
        """

    @abstractmethod
    async def enable_vectors(self, client: Client) -> bool:
        """Let statements compare embeddings; whether they can. Nothing is made in the database for it."""

    @abstractmethod
    def placeholder(self, position: int) -> str:
        """How a statement names its parameter number `position`, from 1."""

    def encode(self, values: Sequence[Any]) -> list[Any]:
        """The parameters of a statement as the driver takes them.

        Raises:
            InvalidInputError: One that no engine may see.
        """
        checks = self.checks
        return [None if value is None else checks[type(value)](value) for value in values]

    @property
    @abstractmethod
    def begin_snapshot(self) -> str:
        """What starts a transaction that only reads, sees one state, and may take as long as it takes."""

    @abstractmethod
    def begin(self, isolation: str | None) -> str:
        """The statement that starts a write transaction."""

    @abstractmethod
    def translate(self, error: Exception) -> AgentDBError | None:
        """A driver's error as ours; None if it is no driver's error."""

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Raise a driver's error as ours, chained to it."""
        try:
            yield
        except AgentDBError:
            raise
        except Exception as error:
            translated = self.translate(error)
            if translated is None:
                raise
            raise translated from error

    def __repr__(self) -> str:
        return f"<{self.title}>"


def no_database(place: Path) -> SchemaError:
    """There is nothing to attach to."""
    return SchemaError(
        f"There is no database at {place}. Run `agentdb init`, or connect without skip_sync.",
        found=None,
        expected="head",
    )


def read_options(kind: type[OptionsT], defaults: Mapping[str, object], url: Url) -> OptionsT:
    """The options of `url` over `defaults`, as the given kind.

    Raises:
        ConfigurationError: An option that is unknown or cannot be read; it lists the known ones.
    """
    try:
        return kind.model_validate({**defaults, **url.options})
    except ValidationError as error:
        problems = "; ".join(f"{part['loc'][0]}: {part['msg']}" for part in error.errors(include_input=False))
        known = ", ".join(sorted(kind.model_fields))
        raise ConfigurationError(f"Options of the {url.scheme} URL: {problems}. Known are: {known}.") from None


def common_options(settings: Settings) -> dict[str, object]:
    """What the settings say for the options that every engine knows."""
    return {name: getattr(settings, name) for name in Options.model_fields}
