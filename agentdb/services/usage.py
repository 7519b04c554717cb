"""What calls cost: usage and its charge in one transaction, exact, and once for each request_id."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any, Final

from agentdb.engine import Row
from agentdb.engine.money import LIMIT, cost_usd
from agentdb.errors import BudgetError, ConflictError, InvalidInputError, NotFoundError
from agentdb.models.fields import now
from agentdb.records import Charge
from agentdb.records.base import nested
from agentdb.records.catalog import price_of
from agentdb.services._input import count, identifier, optional_identifier, optional_text, request_key, text
from agentdb.services._service import Service
from agentdb.sql import Statements
from agentdb.types import Tokens

_STATEMENTS: Final = Statements("usage")
_COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


class UsageService(Service):
    """Usage, its cost and budgets. Amounts are US dollars with ten decimals."""

    async def record(
        self,
        *,
        user_id: int,
        model: str,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        type: str | None = None,  # noqa: A002 - the column's name
        agent_id: int | None = None,
        message_id: int | None = None,
        request_id: str | None = None,
        enforce_budget: bool = False,
        timeout: float | None = None,
    ) -> Charge:
        """Record the tokens of one model call and charge its user: both, or neither.

        This reports what has happened, so a budget that is used up is no reason to refuse: what remains goes below zero
        and the result says so. With `enforce_budget` it asks first.

        Args:
            model: Internal name, whose prices count. Calls are rounded once, half-even, to ten decimals.
            input_tokens: Tokens that no other kind counts already; so are the others.
            type: Your own word for what it was for, such as `chat`.
            agent_id: An agent that the user sees.
            message_id: A message of one of the user's conversations.
            request_id: Your own name for this call, 1 to 200 characters. Repeating the call with it gives what the
                first one recorded and charges nothing, whatever prices and budget are by then.
            enforce_budget: Refuse a cost that is larger than what remains.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user or model, or an agent or message that is not this user's to name.
            BudgetError: With `enforce_budget`: the cost is larger than what remains; nothing was written.
            ConflictError: Another call of the user had this request_id and reported something else.
            InvalidInputError: A count below 0 or beyond 64 bits, or a cost or balance beyond ±900,000,000.
            UnsupportedError: `request_id`, on a database that the original package made.
            DeadlineError: `timeout` has passed; nothing was written.
        """
        tokens = Tokens(
            count(input_tokens, "input_tokens"),
            count(output_tokens, "output_tokens"),
            count(cache_read_tokens, "cache_read_tokens"),
            count(cache_write_tokens, "cache_write_tokens"),
        )
        pointers = {
            "agent_id": optional_identifier(agent_id, "agent_id"),
            "message_id": optional_identifier(message_id, "message_id"),
        }
        sent: dict[str, Any] = {"model": text(model, "model"), "type": optional_text(type, "type"), **pointers}
        identifier(user_id, "user_id")
        key = request_key(request_id)

        async def work() -> Charge:
            if key is not None:
                self._session.abilities.require("request_ids")
                await self._lock_user(user_id)
                repeated = await self._recorded(user_id, key, sent, tokens)
                if repeated is not None:
                    return repeated
            return await self._record(user_id, key, sent, tokens, is_enforced=enforce_budget)

        return await self._unit(work, timeout)

    async def remaining(self, user_id: int, *, timeout: float | None = None) -> Decimal | None:
        """US dollars that are left of a user's budget, below zero when overdrawn; None when there is no limit.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user.
            DeadlineError: `timeout` has passed.
        """
        return await self._read(partial(self._balance, identifier(user_id, "user_id")), timeout)

    async def _record(
        self, user_id: int, key: str | None, sent: dict[str, Any], tokens: Tokens, *, is_enforced: bool
    ) -> Charge:
        facts = await self._facts(user_id, sent)
        cost = cost_usd(tokens, price_of(nested(facts)["price"]))
        moment = now()
        lowest = Decimal(0) if is_enforced else -LIMIT
        charged = await _STATEMENTS.first(
            self._session, "charge", user_id=user_id, cost=cost, lowest=lowest, highest=LIMIT, now=moment
        )
        if charged is None:
            raise await self._refusal(user_id, cost, is_enforced=is_enforced)
        (row,) = await _STATEMENTS.fetch(
            self._session,
            "record",
            user_id=user_id,
            model_id=facts["modelID"],
            type=sent["type"],
            agent_id=sent["agent_id"],
            message_id=sent["message_id"],
            **dict(zip(_COUNTS, tokens, strict=True)),
            cost=cost,
            now=moment,
            request_id=key,
            request_index=None if key is None else 0,
        )
        remaining = charged["remaining"] if charged["budget"] is not None else None
        return Charge(usage_ids=(row["id"],), cost_usd=cost, remaining=remaining)

    async def _facts(self, user_id: int, sent: dict[str, Any]) -> Row:
        row = await _STATEMENTS.first(
            self._session,
            "facts",
            user_id=user_id,
            model=sent["model"],
            agent_id=sent["agent_id"],
            message_id=sent["message_id"],
        )
        if row is None:
            raise NotFoundError("user", user_id)
        if row["modelID"] is None:
            raise NotFoundError("model", sent["model"])
        for what, column in (("agent", "agentID"), ("message", "messageID")):
            if row[column] != sent[f"{what}_id"]:
                raise NotFoundError(what, sent[f"{what}_id"])
        return row

    async def _refusal(self, user_id: int, cost: Decimal, *, is_enforced: bool) -> Exception:
        remaining = await self._balance(user_id)
        if is_enforced and remaining is not None:
            return BudgetError(user_id=user_id, cost=cost, remaining=remaining)
        return InvalidInputError(
            f"User {user_id} has {remaining} US dollars left; a charge of {cost} would leave the range of ±{LIMIT}."
        )

    async def _balance(self, user_id: int) -> Decimal | None:
        row = await _STATEMENTS.first(self._session, "balance", user_id=user_id)
        if row is None:
            raise NotFoundError("user", user_id)
        return Charge(usage_ids=(), cost_usd=Decimal(0), remaining=row["remaining"]).remaining

    async def _recorded(self, user_id: int, key: str, sent: dict[str, Any], tokens: Tokens) -> Charge | None:
        """What an earlier call with this key recorded."""
        row = await _STATEMENTS.first(
            self._session,
            "recorded",
            user_id=user_id,
            request_id=key,
            agent_id=sent["agent_id"],
            message_id=sent["message_id"],
        )
        if row is None:
            return None
        if not _is_same(row, sent, tokens):
            raise ConflictError(
                f"The request_id {key!r} was used for another call. "
                "Repeat that call unchanged, or choose a new request_id.",
                columns=("requestId",),
            )
        return Charge(usage_ids=(row["id"],), cost_usd=row["cost"], remaining=await self._balance(user_id))


def _is_same(row: Row, sent: dict[str, Any], tokens: Tokens) -> bool:
    """Whether a stored row is what was sent, as far as what it points to was not deleted since."""
    stored = (row["inputTokens"], row["outputTokens"], row["cacheReadTokens"], row["cacheWriteTokens"])
    return (
        stored == tokens
        and row["type"] == sent["type"]
        and (row["modelID"] is None or row["internalName"] == sent["model"])
        and (row["agentID"] == sent["agent_id"] or (row["agentID"] is None and not row["agentExists"]))
        and (row["messageID"] == sent["message_id"] or (row["messageID"] is None and not row["messageExists"]))
    )
