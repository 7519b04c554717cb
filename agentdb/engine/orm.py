"""How Tortoise serves several databases, also of different engines, in one process.

Tortoise keeps what it prepared for a model on the model class, and its statements under the connection's name, so the
engine that was opened last wins: SQLite's placeholders reached PostgreSQL, and booleans came back as numbers. Here
everything that depends on the engine is kept by dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakKeyDictionary

from tortoise import context as tortoise_context
from tortoise.backends.base.executor import BaseExecutor
from tortoise.context import TortoiseContext
from tortoise.models import MetaInfo, Model

from agentdb.engine.client import ALIAS, Client

if TYPE_CHECKING:
    _Executor = BaseExecutor
else:
    _Executor = object

APP: Final = "agentdb"
"""The label of our models in Tortoise and in aerich."""


class DialectExecutor(_Executor):
    """Mixed into an engine's executor: statements are cached by dialect, and every column is converted."""

    DB_NATIVE = {bytes, str, int, float}  # noqa: RUF012 - the type that Tortoise declares

    def __init__(self, model: type[Model], db: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(model, cast(Any, _CacheName(db)), *args, **kwargs)
        self.db = db


class _CacheName:
    """A client under a name that holds its dialect: the executor's cache is keyed by it."""

    def __init__(self, client: Client) -> None:
        self.connection_name = f"{client.connection_name}:{client.dialect.name}"
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

    async def know(self, client: Client, modules: Sequence[str]) -> None:
        """Connect the models in `modules` to `client`, which need not be open yet."""
        self.attach(client)
        with self.entered():
            await self.init(
                config={
                    "connections": {ALIAS: {"engine": type(client).__module__, "credentials": {}}},
                    "apps": {APP: {"models": list(modules), "default_connection": ALIAS}},
                }
            )

    def attach(self, client: Client) -> None:
        """Send queries to `client` from now on."""
        # The client exists already, so Tortoise only looks it up.
        self.connections._get_storage()[ALIAS] = client

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
