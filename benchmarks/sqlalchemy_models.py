"""The tables as SQLAlchemy 2 mapped classes, as far as the benchmark needs them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, ForeignKey, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


class Dollars(TypeDecorator[Decimal]):
    """Money: 1e-10 dollars as integers on SQLite."""

    impl = Numeric(20, 10)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        is_sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(BigInteger() if is_sqlite else Numeric(20, 10))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return int(value.scaleb(10)) if dialect.name == "sqlite" and value is not None else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return Decimal(value).scaleb(-10) if dialect.name == "sqlite" and value is not None else value


class Moment(TypeDecorator[datetime]):
    """A time in UTC: text of 32 characters on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        is_sqlite = dialect.name == "sqlite" and value is not None
        return value.isoformat(sep=" ", timespec="microseconds") if is_sqlite else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return datetime.fromisoformat(value) if isinstance(value, str) else value


_Json = JSON().with_variant(JSONB(), "postgresql")


def _now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Every table has an id and two times."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    created_at: Mapped[datetime] = mapped_column("createdAt", Moment, default=_now)
    updated_at: Mapped[datetime] = mapped_column("updatedAt", Moment, default=_now, onupdate=_now)


_role_policy = Table(
    "RolePolicy",
    Base.metadata,
    Column("roleID", ForeignKey("Role.id"), primary_key=True),
    Column("policyID", ForeignKey("Policy.id"), primary_key=True),
)
_agent_tool = Table(
    "AgentTool",
    Base.metadata,
    Column("agentID", ForeignKey("Agent.id"), primary_key=True),
    Column("toolID", ForeignKey("Tool.id"), primary_key=True),
)


class Policy(Base):
    __tablename__ = "Policy"
    name: Mapped[str | None]
    resource: Mapped[str | None]
    action: Mapped[str | None]


class Role(Base):
    __tablename__ = "Role"
    name: Mapped[str | None]
    policies: Mapped[list[Policy]] = relationship(secondary=_role_policy, order_by=Policy.id)


class User(Base):
    __tablename__ = "User"
    email: Mapped[str | None]
    first_name: Mapped[str | None] = mapped_column("firstName")
    last_name: Mapped[str | None] = mapped_column("lastName")
    status: Mapped[str | None]
    role_id: Mapped[int | None] = mapped_column("roleID", ForeignKey("Role.id"))
    role: Mapped[Role | None] = relationship()
    api_key: Mapped[str | None] = mapped_column("apiKey")
    budget: Mapped[Decimal | None] = mapped_column(Dollars)
    remaining: Mapped[Decimal | None] = mapped_column(Dollars)


class Provider(Base):
    __tablename__ = "Provider"
    name: Mapped[str | None]
    endpoint: Mapped[str | None]


class Model(Base):
    __tablename__ = "Model"
    provider_id: Mapped[int | None] = mapped_column("providerID", ForeignKey("Provider.id"))
    provider: Mapped[Provider | None] = relationship()
    name: Mapped[str | None]
    internal_name: Mapped[str | None] = mapped_column("internalName")
    type: Mapped[str | None]
    description: Mapped[str | None]
    max_context: Mapped[int | None] = mapped_column("maxContext", BigInteger)
    max_output: Mapped[int | None] = mapped_column("maxOutput", BigInteger)
    max_reasoning: Mapped[int | None] = mapped_column("maxReasoning", BigInteger)
    cost1k_input: Mapped[Decimal | None] = mapped_column("cost1kInput", Dollars)
    cost1k_output: Mapped[Decimal | None] = mapped_column("cost1kOutput", Dollars)
    cost1k_cache_read: Mapped[Decimal | None] = mapped_column("cost1kCacheRead", Dollars)
    cost1k_cache_write: Mapped[Decimal | None] = mapped_column("cost1kCacheWrite", Dollars)
    default_parameters: Mapped[Any] = mapped_column("defaultParameters", _Json)


class Prompt(Base):
    __tablename__ = "Prompt"
    name: Mapped[str | None]
    version: Mapped[int | None] = mapped_column(BigInteger)
    content: Mapped[str | None]


class Tool(Base):
    __tablename__ = "Tool"
    name: Mapped[str | None]
    description: Mapped[str | None]
    type: Mapped[str | None]
    authentication_type: Mapped[str | None] = mapped_column("authenticationType")
    endpoint: Mapped[str | None]
    transport_type: Mapped[str | None] = mapped_column("transportType")
    custom_config: Mapped[Any] = mapped_column("customConfig", _Json)


class Agent(Base):
    __tablename__ = "Agent"
    user_id: Mapped[int | None] = mapped_column("userID", BigInteger)
    model_id: Mapped[int | None] = mapped_column("modelID", ForeignKey("Model.id"))
    model: Mapped[Model | None] = relationship()
    prompt_id: Mapped[int | None] = mapped_column("promptID", ForeignKey("Prompt.id"))
    prompt: Mapped[Prompt | None] = relationship()
    name: Mapped[str | None]
    description: Mapped[str | None]
    model_parameters: Mapped[Any] = mapped_column("modelParameters", _Json)
    tools: Mapped[list[Tool]] = relationship(secondary=_agent_tool, order_by=Tool.id)


class UserAgent(Base):
    __tablename__ = "UserAgent"
    user_id: Mapped[int] = mapped_column("userID", BigInteger)
    agent_id: Mapped[int] = mapped_column("agentID", BigInteger)


class Conversation(Base):
    __tablename__ = "Conversation"
    user_id: Mapped[int] = mapped_column("userID", BigInteger)
    agent_id: Mapped[int | None] = mapped_column("agentID", BigInteger)
    title: Mapped[str | None]
    deleted: Mapped[bool | None]


class Message(Base):
    __tablename__ = "Message"
    conversation_id: Mapped[int] = mapped_column("conversationID", BigInteger)
    parent_id: Mapped[int | None] = mapped_column("parentID", BigInteger)
    role: Mapped[str | None]
    content: Mapped[Any] = mapped_column(_Json)


class Usage(Base):
    __tablename__ = "Usage"
    user_id: Mapped[int | None] = mapped_column("userID", BigInteger)
    model_id: Mapped[int | None] = mapped_column("modelID", BigInteger)
    input_tokens: Mapped[int | None] = mapped_column("inputTokens", BigInteger)
    output_tokens: Mapped[int | None] = mapped_column("outputTokens", BigInteger)
    cache_read_tokens: Mapped[int | None] = mapped_column("cacheReadTokens", BigInteger)
    cache_write_tokens: Mapped[int | None] = mapped_column("cacheWriteTokens", BigInteger)
    cost: Mapped[Decimal | None] = mapped_column(Dollars)
