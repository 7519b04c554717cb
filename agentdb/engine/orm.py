"""How Tortoise serves several databases, also of different engines, in one process.

Tortoise keeps what it prepared for a model on the model class, and its statements under the connection's name, so the
engine that was opened last wins: SQLite's placeholders reached PostgreSQL, and booleans came back as numbers. Here
everything that depends on the engine is kept by dialect.

Tortoise takes 60 ms to import, and the models 40 ms more. So nothing else in this room imports it: a handle gets here
when it is first used with Tortoise, or opened after somebody has imported the models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakKeyDictionary

from tortoise import context as tortoise_context
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import BaseExecutor
from tortoise.context import TortoiseContext
from tortoise.exceptions import IntegrityError, OperationalError
from tortoise.models import MetaInfo, Model

from agentdb.engine.client import Client
from agentdb.engine.dialect import APP, MissingRelationError, RefusedError
from agentdb.engine.misread import reading

if TYPE_CHECKING:
    _Executor = BaseExecutor
else:
    _Executor = object

ALIAS: Final = "agentdb"
"""The one connection name of all handles: Tortoise keeps statements by name, ours are kept by dialect as well."""


class RefusedTortoiseError(RefusedError, IntegrityError):
    """A constraint said no; `get_or_create` looks for Tortoise's class."""


class MissingTortoiseRelationError(MissingRelationError, OperationalError):
    """A table or column is not there; aerich looks for Tortoise's class."""


@contextmanager
def _as_tortoise_knows_it() -> Iterator[None]:
    """Let our errors be Tortoise's as well."""
    try:
        yield
    except RefusedError as error:
        error.__class__ = RefusedTortoiseError
        raise
    except MissingRelationError as error:
        error.__class__ = MissingTortoiseRelationError
        raise


class TortoiseClient(BaseDBAsyncClient):
    """A client in the shape that Tortoise's own code calls.

    Tortoise's own backends are not used: they lose data when a task is cancelled inside a transaction (a cancelled
    BEGIN kills SQLite for the process, twelve cancelled transactions empty a pool of five), cannot serve two engines in
    one process, and let driver errors through.
    """

    def __init__(self, client: Client) -> None:
        super().__init__(connection_name=ALIAS)
        self._client = client

    def _check_loop(self) -> bool:
        return True  # the client itself refuses another event loop, where Tortoise would make a client of its own

    def _in_transaction(self) -> Any:
        return _TortoiseTransaction(self, self._client)

    async def execute_query(self, query: str, values: list[Any] | None = None) -> tuple[int, Sequence[Any]]:
        with _as_tortoise_knows_it():
            result = await self._client.fetch(query, values)
        return result.affected, result.rows

    async def execute_insert(self, query: str, values: list[Any]) -> Any:
        with _as_tortoise_knows_it():
            result = await self._client.fetch(query, values)
        return dict(result.rows[0]) if result.rows else result.inserted_id

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        with _as_tortoise_knows_it():
            await self._client.execute_many(query, values)

    async def execute_script(self, query: str) -> None:
        with _as_tortoise_knows_it():
            await self._client.execute_script(query)


class _TortoiseTransaction:
    """`client.transaction()` in the shape that Tortoise's own code enters, with the client as its value."""

    def __init__(self, client: TortoiseClient, ours: Client) -> None:
        self._client = client
        self._block = ours.transaction()

    async def __aenter__(self) -> TortoiseClient:
        await self._block.__aenter__()
        return self._client

    async def __aexit__(self, *exc_info: Any) -> None:
        with _as_tortoise_knows_it():
            await self._block.__aexit__(*exc_info)


class DialectExecutor(_Executor):
    """Mixed into an engine's executor: statements are cached by dialect, and every column is converted."""

    DB_NATIVE = {bytes, str, int, float}  # noqa: RUF012 - the type that Tortoise declares

    def __init__(self, model: type[Model], db: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(model, cast(Any, _CacheName(db)), *args, **kwargs)
        self.db = db

    async def execute_select(
        self, sql: str, values: list[Any] | None = None, custom_fields: list[Any] | None = None
    ) -> list[Any]:
        with reading():
            return await super().execute_select(sql, values, custom_fields)


class _CacheName:
    """A client under a name that holds its dialect: the executor's cache is keyed by it."""

    def __init__(self, client: TortoiseClient) -> None:
        self.connection_name = f"{client.connection_name}:{client.capabilities.dialect}"
        self.query_class = client.query_class
        self.capabilities = client.capabilities


class DialectMeta(MetaInfo):
    """A model's metadata whose engine-dependent parts are kept by dialect, and made once for its present fields.

    Its fields grow when a further app points to it.
    """

    __slots__ = ()

    def finalise_model(self) -> None:
        done = ("fields", self.db.capabilities.dialect)
        if _parts_of(self).get(done) != len(self.fields_map):
            super().finalise_model()
            _parts_of(self)[done] = len(self.fields_map)


_parts: WeakKeyDictionary[type[Model], dict[tuple[str, str], Any]] = WeakKeyDictionary()


def _parts_of(meta: MetaInfo) -> dict[tuple[str, str], Any]:
    return _parts.setdefault(meta._model, {})


def _by_dialect(name: str, default: Callable[[], Any]) -> property:
    def read(meta: MetaInfo) -> Any:
        return _parts_of(meta).setdefault((name, meta.db.capabilities.dialect), default())

    def write(meta: MetaInfo, value: Any) -> None:
        _parts_of(meta)[name, meta.db.capabilities.dialect] = value

    return property(read, write)


for _name, _default in (("basequery", object), ("basequery_all_fields", object), ("filters", dict)):
    setattr(DialectMeta, _name, _by_dialect(_name, _default))


def adopt(model: type[Model]) -> None:
    """Keep what Tortoise prepares for `model` by dialect from now on."""
    model._meta.__class__ = DialectMeta


class TortoiseSession(TortoiseContext):
    """A Tortoise context that leaves the process alone: no environment variables, no global router.

    It is entered per call with a reset token of its own, because a stock context keeps one token for all tasks.
    """

    def __init__(self, client: Client, modules: Sequence[str]) -> None:
        """Connect the models in `modules` to `client`, which need not be open yet."""
        super().__init__()
        self.attach(client)
        with self.entered():
            beginning = self.init(
                config={
                    "connections": {ALIAS: {"engine": __name__, "credentials": {}}},
                    "apps": {APP: {"models": list(modules), "default_connection": ALIAS}},
                }
            )
            # It has nothing to wait for. In one go it cannot be cancelled, and no two tasks begin it.
            with suppress(StopIteration):
                beginning.send(None)
        assert self.inited

    def attach(self, client: Client) -> None:
        """Send queries to `client` from now on."""
        # It is there already, so Tortoise only looks it up.
        self.client = client.dialect.tortoise_client(client)
        self.connections._get_storage()[ALIAS] = self.client

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make this the current context, for this task, until the block ends."""
        token = tortoise_context._current_context.set(self)
        try:
            yield
        finally:
            tortoise_context._current_context.reset(token)

    def _init_timezone(self, use_tz: bool, timezone: str) -> None:
        self._use_tz, self._timezone = use_tz, timezone

    def _init_routers(self, routers: Any = None) -> None:
        self._routers = []
