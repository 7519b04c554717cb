"""SQLAlchemy 2 with its asyncio extension and ORM, as its documentation teaches it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import event, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload, selectinload

from benchmarks.contestant import Caller, Charged, Content, Contestant, Preview, access_of
from benchmarks.data import MODEL, SECRET_KEY, Talk
from benchmarks.digest import digester
from benchmarks.places import Place, SqlitePlace
from benchmarks.sqlalchemy_models import Agent, Conversation, Message, Model, Policy, Role, Usage, User, UserAgent


class SqlAlchemy(Contestant):
    """An engine with a pool of 16, and a session for each call."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._digest = digester(SECRET_KEY)

    async def open(self) -> None:
        self._engine = _engine(self._place)
        self._session = async_sessionmaker(self._engine, expire_on_commit=False)

    async def close(self) -> None:
        await self._engine.dispose()

    async def append(self, talk: Talk, content: Content) -> Message:
        async with self._session.begin() as session:
            await _touch(session, talk)
            message = Message(conversation_id=talk.conversation_id, role="user", content=content)
            session.add(message)
        return message

    async def history(self, talk: Talk) -> Sequence[Message]:
        owned = exists().where(
            Conversation.id == Message.conversation_id,
            Conversation.user_id == talk.user_id,
            Conversation.deleted.is_(False),
        )
        last = select(Message).where(Message.conversation_id == talk.conversation_id, owned)
        async with self._session() as session:
            messages = (await session.scalars(last.order_by(Message.id.desc()).limit(50))).all()
        if not messages:
            raise LookupError(talk)
        return list(reversed(messages))

    async def record(self, user_id: int, input_tokens: int, output_tokens: int) -> Charged:
        async with self._session.begin() as session:
            model = (await session.scalars(select(Model).where(Model.internal_name == MODEL))).one()
            assert model.cost1k_input is not None
            assert model.cost1k_output is not None
            cost = (model.cost1k_input * input_tokens + model.cost1k_output * output_tokens) / Decimal(1000)
            session.add(
                Usage(
                    user_id=user_id,
                    model_id=model.id,
                    input_tokens=input_tokens,
                    output_tokens=output_tokens,
                    cache_read_tokens=0,
                    cache_write_tokens=0,
                    cost=cost,
                )
            )
            charge = update(User).where(User.id == user_id, User.remaining >= cost)
            remaining = await session.scalar(
                charge.values(remaining=User.remaining - cost).returning(User.remaining),
                execution_options={"synchronize_session": False},
            )
            if remaining is None:
                raise LookupError(user_id)
        return Charged(cost, remaining)

    async def resolve(self, agent_id: int, user_id: int) -> Agent:
        shared = exists().where(UserAgent.agent_id == Agent.id, UserAgent.user_id == user_id)
        visible = or_(Agent.user_id == user_id, Agent.user_id.is_(None), shared)
        loaded = (
            joinedload(Agent.prompt),
            joinedload(Agent.model).joinedload(Model.provider),
            selectinload(Agent.tools),
        )
        async with self._session() as session:
            return (await session.scalars(select(Agent).where(Agent.id == agent_id, visible).options(*loaded))).one()

    async def authenticate(self, api_key: str) -> Caller:
        found = select(User).where(User.api_key == self._digest(api_key), User.status == "active")
        async with self._session() as session:
            loaded = joinedload(User.role).selectinload(Role.policies)
            user = (await session.scalars(found.options(loaded))).one()
            known = (await session.scalars(select(Policy))).all()
        assert user.role is not None
        return Caller(user, user.role, user.role.policies, access_of(user.role.policies, known))

    async def bulk(self, talk: Talk, messages: Sequence[dict[str, Any]]) -> None:
        async with self._session.begin() as session:
            await _touch(session, talk)
            rows = [
                {"conversation_id": talk.conversation_id, "role": one["role"], "content": one["content"]}
                for one in messages
            ]
            await session.execute(insert(Message), rows)

    async def recent(self, user_id: int) -> Sequence[Preview]:
        newest = (
            select(Conversation)
            .where(Conversation.user_id == user_id, Conversation.deleted.is_(False))
            .order_by(Conversation.updated_at.desc(), Conversation.id.desc())
            .limit(20)
        )
        async with self._session() as session:
            talks = (await session.scalars(newest)).all()
            ids = (
                select(func.max(Message.id))
                .where(Message.conversation_id.in_([talk.id for talk in talks]))
                .group_by(Message.conversation_id)
            )
            messages = (await session.scalars(select(Message).where(Message.id.in_(ids)))).all()
        last = {message.conversation_id: message for message in messages}
        return [Preview(talk, last.get(talk.id)) for talk in talks]


async def _touch(session: AsyncSession, talk: Talk) -> None:
    touch = update(Conversation).where(
        Conversation.id == talk.conversation_id,
        Conversation.user_id == talk.user_id,
        Conversation.deleted.is_(False),
    )
    touched = await session.scalar(
        touch.values(updated_at=datetime.now(UTC)).returning(Conversation.id),
        execution_options={"synchronize_session": False},
    )
    if touched is None:
        raise LookupError(talk)


def _engine(place: Place) -> AsyncEngine:
    if not isinstance(place, SqlitePlace):
        url = "postgresql+asyncpg://"
        return create_async_engine(url, pool_size=16, max_overflow=0, connect_args=place.arguments)
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{place.path}", pool_size=16, max_overflow=0, connect_args={"timeout": 30}
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", f"synchronous = {place.synchronous}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine
