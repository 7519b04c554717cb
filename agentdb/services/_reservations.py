"""Asking before the call: money is held, then settled for what the call has cost, or given back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from agentdb.engine.values import now
from agentdb.errors import InvalidInputError
from agentdb.records import Charge, Reservation
from agentdb.services._charges import Outcome, Report, checked_item, told
from agentdb.services._conventions import Convention
from agentdb.services._deadline import within
from agentdb.services._holding import Asked, Holding
from agentdb.services._input import amount, count, identifier, page_size, refused, request_key, text
from agentdb.types import Tokens

MAX_TTL_S: Final = 7 * 24 * 60 * 60


class Reservations(Holding):
    """Money that is held for calls to come."""

    async def reserve(
        self,
        *,
        user_id: int,
        amount_usd: Decimal | int | str | None = None,
        model: str | None = None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        ttl_s: float = 600,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Reservation:
        """Hold what a call may cost before it is made, so that callers at the same time cannot overspend together.

        Give an amount, or a model and the most tokens that the call can take. What is held is taken out of what
        remains at once. It ends with `settle` or `release`; after `ttl_s` seconds it is given back by itself, and a
        late `settle` charges all the same. A user without a budget is never refused, and nothing is taken.

        Args:
            amount_usd: US dollars, with at most ten decimals.
            model: Internal name, whose prices count unless an amount is given.
            input_tokens: At most so many that no other kind counts already; so are the others.
            ttl_s: Above 0, at most seven days.
            request_id: Your own name for this call, 1 to 200 characters. Repeating the call with it gives the
                reservation that the first one made, with the state that it has by then.
            timeout: Seconds for the whole call.

        Raises:
            BudgetError: It is more than what remains; nothing is held.
            NotFoundError: No such user or model.
            ConflictError: Another call of the user had this request_id and asked for something else.
            InvalidInputError: Neither an amount nor a model, an amount with tokens, or one that is negative or beyond
                the range.
            UnsupportedError: The database was made by the original package.
            DeadlineError: `timeout` has passed; nothing is held.
        """
        identifier(user_id, "user_id")
        tokens = Tokens(
            count(input_tokens, "input_tokens"),
            count(output_tokens, "output_tokens"),
            count(cache_read_tokens, "cache_read_tokens"),
            count(cache_write_tokens, "cache_write_tokens"),
        )
        asked = _asked(amount_usd, model, tokens, ttl_s)
        self._session.abilities.require("support_tables")
        key = request_key(request_id)
        steps = partial(self._reserved, user_id, asked, key)
        return await self._write(steps, timeout, request_id=key, row=("User", user_id))

    async def settle(
        self,
        reservation_id: int,
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
        timeout: float | None = None,
    ) -> Charge:
        """Record and charge what a reserved call has cost, and free the rest: all of it, exactly once.

        A cost that is larger than what was held is charged in full: what remains may go below zero. So is one that
        comes after the reservation has expired. Settling again with the same values gives the first answer.

        Args:
            reservation_id: What `reserve` gave.
            request_id: Kept with the usage, as `record` does; the reservation alone makes the call repeatable.
            timeout: Seconds for the whole call.

            The others are those of `record`.

        Raises:
            NotFoundError: No such reservation of this user, no such model, or an agent or message that is not this
                user's to name.
            ConflictError: It was settled with other values, or released, or the request_id names another call.
            InvalidInputError: As for `record`.
            UnsupportedError: The database was made by the original package.
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
        report = Report(identifier(user_id, "user_id"), (item,), request_key(request_id), is_enforced=False)
        identifier(reservation_id, "reservation_id")
        self._session.abilities.require("support_tables")
        outcome: Outcome = await self._write(
            partial(self._settled, reservation_id, report),
            timeout,
            told=partial(told, report.user_id),
            request_id=report.request_id,
            is_keyed=True,  # a reservation is settled once
            row=("User", user_id),
        )
        return outcome.charge

    async def release(self, reservation_id: int, *, user_id: int, timeout: float | None = None) -> Reservation:
        """Give back all that a reservation holds: the call was not made. Releasing twice is harmless.

        Args:
            reservation_id: What `reserve` gave.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such reservation of this user.
            ConflictError: It was settled.
            UnsupportedError: The database was made by the original package.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        identifier(reservation_id, "reservation_id")
        identifier(user_id, "user_id")
        self._session.abilities.require("support_tables")
        steps = partial(self._released, reservation_id, user_id)
        return await self._write(steps, timeout, is_keyed=True, row=("User", user_id))

    async def expire_reservations(self, *, limit: int = 500, timeout: float | None = None) -> int:
        """Give back what reservations hold that nobody settled or released in time; how many these were.

        Every call that asks for a user's balance counts them as free already; this brings the stored balances up to
        it.

        Args:
            limit: How many are looked for at once. Each such batch is a transaction of its own.
            timeout: Seconds for the whole call.

        Raises:
            InvalidInputError: A limit that is not from 1 to 1000.
            UnsupportedError: The database was made by the original package.
            DeadlineError: `timeout` has passed; the batches before are kept.
        """
        batch = partial(self._expired_batch, page_size(limit), now())
        self._session.abilities.require("support_tables")
        total = 0
        async with within(timeout, self._session):
            while expired := await self._write(batch, None):
                total += expired
        return total


def _asked(amount_usd: Any, model: Any, tokens: Tokens, ttl_s: Any) -> Asked:
    asked = None if amount_usd is None else amount(amount_usd, "amount_usd")
    if asked is None and model is None:
        raise InvalidInputError("A reservation needs amount_usd, or a model and the tokens that the call can take.")
    if asked is not None and any(tokens):
        raise InvalidInputError(f"A reservation is for an amount or for tokens, found {asked} US dollars and {tokens}.")
    return Asked(asked, None if model is None else text(model, "model"), tokens, _ttl(ttl_s))


def _ttl(value: Any) -> timedelta:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= MAX_TTL_S:
        raise refused("ttl_s", f"a number of seconds above 0 and up to {MAX_TTL_S}", value)
    return timedelta(seconds=value)
