"""A database, open: the services, transactions, and the verbs of its owner."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from agentdb.config import Settings
from agentdb.engine import Session, Target, resolve
from agentdb.errors import ConfigurationError
from agentdb.events import Events
from agentdb.lifecycle.attach import attach, attach_original
from agentdb.lifecycle.vault import vault_of
from agentdb.models.names import MODULES
from agentdb.operations.verbs import OperatorVerbs, owner_of
from agentdb.secrets import Vault
from agentdb.telemetry.observer import Observer, observer_of

if TYPE_CHECKING:
    from agentdb.engine.rights import Rights
    from agentdb.lifecycle.start import StartReport
    from agentdb.services.access import AccessService
    from agentdb.services.agents import AgentService
    from agentdb.services.catalog import CatalogService
    from agentdb.services.conversations import ConversationService
    from agentdb.services.knowledge import KnowledgeService
    from agentdb.services.usage import UsageService

T = TypeVar("T")
ServiceT = TypeVar("ServiceT")


class Database(OperatorVerbs):
    """One open database. Several, also of different engines, can be open side by side.

    Get one from `agentdb.connect`. Use it in the event loop that opened it, and close it.

    Attributes:
        started: What the start did; None for a database that was only attached to.
    """

    def __init__(
        self,
        session: Session,
        settings: Settings,
        vault: Vault,
        started: StartReport | None,
        *,
        observer: Observer | None = None,
    ) -> None:
        self.session = session
        self.settings = settings
        self.started = started
        self._vault = vault
        self._is_closed = False
        self.events = Events()
        self._observer = observer or observer_of(settings, engine=session.dialect.title.lower())
        if self._observer is not None:
            self._watch(self._observer)

    # A domain is imported when it is first asked for: all of them take 30 ms, and most services use one or two.

    @cached_property
    def access(self) -> AccessService:
        """Who is calling, and what they may do."""
        from agentdb.services.access import AccessService

        service = AccessService(self.session, events=self.events, vault=self._vault, settings=self.settings)
        return self._watched("access", service)

    @cached_property
    def catalog(self) -> CatalogService:
        """What language models there are, what they cost, and who provides them."""
        from agentdb.services.catalog import CatalogService

        return self._watched("catalog", CatalogService(self.session, events=self.events, vault=self._vault))

    @cached_property
    def agents(self) -> AgentService:
        """Agents with their prompts and tools."""
        from agentdb.services.agents import AgentService

        service = AgentService(self.session, events=self.events, settings=self.settings, vault=self._vault)
        return self._watched("agents", service)

    @cached_property
    def conversations(self) -> ConversationService:
        """Conversations and their messages."""
        from agentdb.services.conversations import ConversationService

        service = ConversationService(self.session, events=self.events, agents=self.agents)
        return self._watched("conversations", service)

    @cached_property
    def knowledge(self) -> KnowledgeService:
        """Resources, their chunks, and what is found in them."""
        from agentdb.services.knowledge import KnowledgeService

        return self._watched("knowledge", KnowledgeService(self.session, events=self.events))

    @cached_property
    def usage(self) -> UsageService:
        """What model calls cost, and what is left of budgets."""
        from agentdb.services.usage import UsageService

        return self._watched("usage", UsageService(self.session, events=self.events))

    @property
    def can_keep_secrets(self) -> bool:
        """Whether there is a key to make API keys and to seal credentials with."""
        return self._vault.is_able

    def use(self) -> AbstractContextManager[None]:
        """Inside the block, ordinary Tortoise queries on the models go to this database.

        The first use in a process imports Tortoise with the models, which takes 120 ms, unless a model was imported
        before: then `connect` has made them ready.

        Raises:
            TransactionError: The handle is closed.
        """
        return self.session.use()

    def transaction(self, *, timeout: float | None = None) -> AbstractAsyncContextManager[Any]:
        """All statements of the block are kept, or none. Service calls and Tortoise queries inside join it.

        It belongs to the task that began it, may be nested, and is rolled back when its limit has passed.

        Args:
            timeout: Seconds from its beginning, in place of `transaction_timeout_s`. A nested one has none of its own.

        Raises:
            TransactionError: A statement failed and the block went on, or another task used it.
            DeadlineError: No connection was free in time, or its limit has passed.
        """
        limit_s = self.session.target.options.transaction_timeout_s if timeout is None else timeout
        return self.session.transaction(limit_s=limit_s)

    async def run(self, work: Callable[[], Awaitable[T]], *, timeout: float | None = None) -> T:
        """Run `work` in one transaction, and again when the database could not do it just then.

        Args:
            timeout: Seconds for the whole with its repetitions, in place of `call_timeout_s`. Each repetition also has
                the limit of a transaction.

        Raises:
            UnavailableError: Not done, however often it was tried.
            DeadlineError: `timeout` has passed; nothing was done.
            OutcomeUnknownError: The database did not tell what became of the COMMIT.
        """
        return await self.session.unit(work, timeout_s=timeout)

    async def close(self) -> None:
        """Disconnect. Closing twice is harmless."""
        self._is_closed = True
        try:
            await self.session.close()
        finally:
            self.events.close()  # after the calls under way, which still tell what they did

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Database {self.session.target.shown}{' closed' if self._is_closed else ''}>"

    def __del__(self) -> None:
        if not getattr(self, "_is_closed", True):
            warnings.warn(
                f"{self!r} was not closed. Use `async with`, or await close().", ResourceWarning, stacklevel=2
            )

    def _watch(self, observer: Observer) -> None:
        """Put watched methods before the plain ones, which those who are not watched call."""
        begin = self.transaction
        vars(self)["transaction"] = lambda *, timeout=None: observer.around("transaction", begin(timeout=timeout))
        observer.watch(self)
        observer.opened(self.session)

    def _watched(self, domain: str, service: ServiceT) -> ServiceT:
        if self._observer is not None:
            self._observer.watch(service, domain)
        rights = self.session.client.rights
        if rights is not None:
            from agentdb.services.writes import restrict

            restrict(service, domain, rights)
        return service


def connect(
    url: str | None = None,
    *,
    skip_sync: bool | None = None,
    service: str | None = None,
    wait_s: float | None = None,
    schema: Literal["agentdb", "original"] = "agentdb",
    seed_directory: str | Path | None = None,
    create_database: bool = False,
    skip_audit: bool | None = None,
    settings: Settings | None = None,
) -> Connector:
    """Open a database: `async with agentdb.connect() as db`, or `db = await agentdb.connect()` and later `db.close()`.

    Unless `skip_sync`, it is created, migrated, seeded and audited first, under a lock, so that any number of services
    may start at once.

    Args:
        url: As `sqlite:///agent.db` or `postgresql://user@host/database`; see the settings for what counts when None.
        skip_sync: Attach to a database that its owner has made ready: nothing is created or changed.
        service: Name of the calling service, whose `AGENTDB_<SERVICE>_SKIP_SYNC` decides when `skip_sync` is None. One
            that the ownership matrix names may only do what that says; see `agentdb grants`.
        wait_s: With `skip_sync`, seconds to wait for the owner.
        schema: "original" attaches to a PostgreSQL database that the original package made; needs `skip_sync`.
        seed_directory: CSV files to seed from, in place of the packaged ones.
        create_database: Make the server's database too if it is missing and the user may.
        skip_audit: Do not compare the schema after the start.
        settings: Read from the environment when None.

    Raises:
        AgentDBError: What cannot be read, reached, opened or used, when it is awaited.
    """
    return Connector(
        url=url,
        skip_sync=skip_sync,
        service=service,
        wait_s=wait_s,
        schema=schema,
        seed_directory=seed_directory,
        create_database=create_database,
        skip_audit=skip_audit,
        settings=settings,
    )


async def look(url: str | None = None, *, settings: Settings | None = None) -> Database:
    """Open a database that is there, ready or not, for its owner's tools. Opening creates and changes nothing.

    Raises:
        SchemaError: There is no such file.
        AgentDBError: What cannot be read, reached or opened.
    """
    settings = settings or Settings.load()
    session = Session(resolve(url, settings), create=False)
    await session.open(MODULES)
    try:
        return Database(session, settings, vault_of(session, settings), None)
    except BaseException:
        await session.close()
        raise


def _rights_of(service: str, settings: Settings) -> Rights | None:
    from agentdb.operations.ownership import read_ownership  # which most programs never need

    return read_ownership(settings.ownership_file).rights(service)


class Connector:
    """A database to be opened by `await` or `async with`."""

    def __init__(
        self,
        *,
        url: str | None,
        skip_sync: bool | None,
        service: str | None,
        wait_s: float | None,
        schema: Literal["agentdb", "original"],
        seed_directory: str | Path | None,
        create_database: bool,
        skip_audit: bool | None,
        settings: Settings | None,
    ) -> None:
        self._url = url
        self._skip_sync = skip_sync
        self._service = service
        self._wait_s = wait_s
        self._schema = schema
        self._seed_directory = Path(seed_directory) if seed_directory is not None else None
        self._create_database = create_database
        self._skip_audit = skip_audit
        self._settings = settings
        self._database: Database | None = None

    def __await__(self) -> Generator[Any, None, Database]:
        return self._open().__await__()

    async def __aenter__(self) -> Database:
        self._database = await self._open()
        return self._database

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._database is not None
        await self._database.close()

    async def _open(self) -> Database:
        settings = self._settings or Settings.load()
        if self._seed_directory is not None:
            settings = settings.model_copy(update={"seed_directory": self._seed_directory})
        skip_sync = self._skip_sync if self._skip_sync is not None else settings.skip_sync_for(self._service)
        target = resolve(self._url, settings)
        rights = None if self._service is None else _rights_of(self._service, settings)
        observer = observer_of(settings, engine=target.dialect.title.lower())
        opened = self._opened if observer is None else observer.watched("connect", self._opened)
        database = await opened(target, settings, observer, skip_sync=skip_sync)
        database.session.restrict(rights)  # not before: a start is the owner's work, whoever does it
        return database

    async def _opened(
        self, target: Target, settings: Settings, observer: Observer | None, *, skip_sync: bool
    ) -> Database:
        if self._schema == "original":
            if not skip_sync:
                raise ConfigurationError('schema="original" only attaches to a database: pass skip_sync=True as well.')
            session = await attach_original(target, MODULES)
            return Database(session, settings, Vault(None, mode="plain"), None, observer=observer)
        if skip_sync:
            wait_s = self._wait_s if self._wait_s is not None else settings.wait_s
            session = await attach(target, MODULES, wait_s=wait_s)
            try:
                return Database(session, settings, vault_of(session, settings), None, observer=observer)
            except BaseException:
                await session.close()
                raise
        return await self._start(Session(target, create=True), settings, observer)

    async def _start(self, session: Session, settings: Settings, observer: Observer | None) -> Database:
        await session.dialect.prepare(session.target, create_database=self._create_database)
        await session.open(MODULES)
        try:
            is_skipped = self._skip_audit if self._skip_audit is not None else settings.skip_audit
            vault, report = await owner_of(session, settings).make_ready(is_audited=not is_skipped)
            session.has_written = True
        except BaseException:
            await session.close()
            raise
        return Database(session, settings, vault, report, observer=observer)
