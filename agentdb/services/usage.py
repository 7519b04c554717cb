"""What calls cost: usage and its charge in one transaction, exact, and once for each request_id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, ClassVar, Final

from agentdb.engine import Batcher, Companion, Steps
from agentdb.engine.values import json_text, now
from agentdb.records import Charge
from agentdb.services._charged_together import ChargesTogether
from agentdb.services._charges import Outcome, Report, checked_item, items_of, told
from agentdb.services._conventions import Convention, tokens_of
from agentdb.services._input import flag, identifier, optional_identifier, request_key, short_text
from agentdb.services._model_call import model_call
from agentdb.services._record_batch import Record, record_batcher
from agentdb.services._reports import Reports
from agentdb.services._reservations import Reservations
from agentdb.sql import Statements
from agentdb.types import Tokens

MAX_PERIOD: Final = 200

_STATEMENTS: Final = Statements("usage")


class UsageService(ChargesTogether, Reservations, Reports):
    """Usage, its cost and budgets. Amounts are US dollars with ten decimals."""

    described: ClassVar = {"record": model_call}

    @cached_property
    def _records(self) -> Batcher[Record, Outcome]:
        return record_batcher(self._session)

    async def record(
        self,
        *,
        user_id: int,
        model: str,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        convention: Convention = "disjoint",
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
            convention: How the numbers count, if they are a response's own: in `openai` and `otel` the input holds the
                cached tokens, in `anthropic` it does not. Tokens of reasoning are part of the output. A response costs
                the same in any of them.
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
            InvalidInputError: A count below 0 or beyond 64 bits, more cached tokens than the input that holds them, or
                a cost or balance beyond ±900,000,000.
            UnsupportedError: `request_id`, on a database that the original package made.
            DeadlineError: `timeout` has passed; nothing was written.
        """
        item = checked_item(
            model=model,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            convention=convention,
            type=type,
            agent_id=agent_id,
            message_id=message_id,
        )
        report = Report(
            identifier(user_id, "user_id"),
            (item,),
            request_key(request_id),
            is_enforced=flag(enforce_budget, "enforce_budget"),
        )
        return await self._record(report, timeout)

    async def record_many(
        self,
        items: Sequence[Mapping[str, Any]],
        *,
        user_id: int,
        request_id: str | None = None,
        enforce_budget: bool = False,
        timeout: float | None = None,
    ) -> Charge:
        """Record several rows of one request and charge their sum: all, or nothing.

        Args:
            items: 1 to 100 mappings with the names of `record`: `model`, and any of the four counts, `convention`,
                `type`, `agent_id` and `message_id`. Each row is rounded by itself.
            request_id: Your own name for this call. A repeated call has the same items in the same order.
            enforce_budget: Refuse a sum that is larger than what remains.
            timeout: Seconds for the whole call.

        Returns:
            `usage_ids` in the order of the items, `cost_usd` of all together.

        Raises:
            NotFoundError: No such user or model, or an agent or message that is not this user's to name.
            BudgetError: With `enforce_budget`: the sum is larger than what remains; nothing was written.
            ConflictError: Another call of the user had this request_id and reported something else.
            InvalidInputError: No items or too many, units other than the four kinds of tokens, or as for `record`.
            UnsupportedError: `request_id`, on a database that the original package made.
            DeadlineError: `timeout` has passed; nothing was written.
        """
        report = Report(
            identifier(user_id, "user_id"),
            items_of(items, "items"),
            request_key(request_id),
            is_enforced=flag(enforce_budget, "enforce_budget"),
        )
        return await self._record(report, timeout)

    async def remaining(self, user_id: int, *, timeout: float | None = None) -> Decimal | None:
        """US dollars that are left of a user's budget, below zero when overdrawn; None when there is no limit.

        What open reservations hold is not left, what expired ones held is.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user.
            DeadlineError: `timeout` has passed.
        """
        identifier(user_id, "user_id")
        return await self._query(lambda: self._balance(user_id, now()), timeout)

    async def reset_budgets(self, *, period: str, user_id: int | None = None, timeout: float | None = None) -> int:
        """Set what remains back to the budget, once for each period, for one user or for all.

        What open reservations hold stays held: settled later, their cost counts in the new period, released or
        expired, it is given back to it. Users without a budget are left alone.

        Args:
            period: Your own name for it, such as `2026-W10`, 1 to 200 characters.
            user_id: Only this user, who has periods of their own; None for everybody.
            timeout: Seconds for the whole call.

        Returns:
            How many balances were reset; when this period was reset already, how many they were then.

        Raises:
            NotFoundError: No such user.
            InvalidInputError: A period that is empty or too long.
            UnsupportedError: The database was made by the original package.
            DeadlineError: `timeout` has passed; nothing was reset.
        """
        short_text(period, "period", most=MAX_PERIOD)
        optional_identifier(user_id, "user_id")
        self._session.abilities.require("support_tables")
        return await self._write(partial(self._reset, period, user_id), timeout, is_keyed=True)

    @staticmethod
    def tokens_of(usage: Mapping[str, Any], *, convention: Convention) -> Tokens:
        """The four disjoint counts in what a response says about its usage.

        Args:
            usage: A response's `usage` as a mapping: of OpenAI's Chat Completions or Responses, of Anthropic's
                Messages, the attributes of an OpenTelemetry span, or with `disjoint` that of Amazon's Converse.

        Raises:
            InvalidInputError: It says nothing that this convention knows, or more cached tokens than the input that
                holds them.
        """
        return tokens_of(usage, convention)

    async def _record(self, report: Report, timeout: float | None) -> Charge:
        tell, row = partial(told, report.user_id), ("User", report.user_id)
        outcome: Outcome
        if len(report.items) == 1:
            outcome = await self._merged(
                self._records,
                Record(report),
                partial(self._recorded, report),
                timeout,
                told=tell,
                row=row,
                is_short=True,
                companion=None if report.is_enforced else Companion(self._recorded_together, report),
            )
        else:
            steps = partial(self._recorded_many, report)
            outcome = await self._write(steps, timeout, told=tell, request_id=report.request_id, row=row)
        return outcome.charge

    def _reset(self, period: str, user_id: int | None) -> Steps[int]:
        scope, moment = "all" if user_id is None else f"user:{user_id}", now()
        if user_id is not None:
            yield from self._locked_user(user_id)
        begun = yield from _STATEMENTS.row(
            self._session, "begin_reset", period=period, scope=scope, user_id=user_id, now=moment
        )
        if begun is None:
            (earlier,) = yield from _STATEMENTS.rows(self._session, "earlier_reset", period=period, scope=scope)
            return int(earlier["users"])
        user_ids = [user_id]
        if user_id is None:
            user_ids = [row["id"] for row in (yield from _STATEMENTS.rows(self._session, "lock_budgets"))]
        rows = yield from _STATEMENTS.rows(self._session, "reset", user_ids=json_text(user_ids), now=moment)
        yield from _STATEMENTS.rows(self._session, "finish_reset", id=begun["id"], users=len(rows))
        return len(rows)
