"""One turn of an agent: all that it has to know before, and all that it leaves behind, each in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, Final

import orjson

from agentdb.engine import Row, Session, Steps
from agentdb.engine.courier import Courier
from agentdb.engine.misread import reading
from agentdb.engine.money import sum_usd
from agentdb.engine.values import now
from agentdb.errors import AccessDeniedError
from agentdb.events import Event, Events
from agentdb.records import Agent, Charge, FinishedTurn, Message, Resource, Turn
from agentdb.services import _appending as appending
from agentdb.services import _charges as charges
from agentdb.services._agent import AgentVerbs
from agentdb.services._appending import Place, place_of
from agentdb.services._balances import balance_of
from agentdb.services._charges import Charges, Outcome, items_of
from agentdb.services._contexts import Contexts, Found
from agentdb.services._input import MAX_PAGE, flag, key, optional_identifier, page_size, request_key
from agentdb.services._messages import AppendedMany, Messages, appended_messages, batch_of
from agentdb.services._requests import another_call
from agentdb.services._turn_finish import Finish, Finished, finish_courier
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("turns")
_AGENTS: Final = Statements("agents")
_USAGE: Final = Statements("usage")

# As `begin` lists them; the last two are missing in a database made by the original package.
_RESOURCE: Final = (
    "id", "agentID", "messageID", "name", "type", "content", "s3Uri", "metadata", "createdAt", "updatedAt",
    "userID", "conversationID",
)  # fmt: skip
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


class Turns(Messages, Contexts):
    """Taking turns."""

    def __init__(self, session: Session, *, events: Events, agents: AgentVerbs) -> None:
        super().__init__(session, events=events)
        self._agents = agents
        self._charges = Charges(session, events=events)

    @cached_property
    def _finishes(self) -> Courier[Finish, Finished]:
        return finish_courier(self._session)

    async def begin_turn(
        self,
        conversation_id: int,
        *,
        user_id: int,
        agent: int | str | None = None,
        limit: int = 1000,
        timeout: float | None = None,
    ) -> Turn:
        """All that an agent has to know to take its turn, in two statements: what `context`, `agents.resolve` and
        `usage.remaining` give.

        Conversation, messages, resources and balance are of one moment. There is one more statement where another
        program has named a message as summary that is none.

        Args:
            agent: Id or name of an agent that takes this turn in place of the conversation's own.
            limit: At most so many messages, the newest ones, 1 to 1000; the summary comes on top.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such conversation, deleted, or not this user's; or the agent is not visible to the user,
                which can be so for the conversation's own too, or its model does not exist.
            ConflictError: Two agents of the same standing have that name.
            InvalidInputError: A limit out of range.
            DeadlineError: `timeout` has passed.
        """
        place, size = place_of(conversation_id, user_id), page_size(limit)
        named = None if agent is None else key(agent, "agent")
        found, resolved = await self._query(partial(self._begin, place, size, named), timeout)
        with reading():
            return Turn.from_row(
                found.first,
                messages=tuple(Message.from_rows(found.messages[::-1])),
                resources=_resources_of(found.messages),
                isCut=found.is_cut,
                agent=resolved,
                remaining=balance_of(found.first),
            )

    async def finish_turn(
        self,
        conversation_id: int,
        *,
        user_id: int,
        messages: Sequence[Mapping[str, Any]],
        usage: Sequence[Mapping[str, Any]] = (),
        request_id: str | None = None,
        expected_parent: int | None = None,
        enforce_budget: bool = False,
        timeout: float | None = None,
    ) -> FinishedTurn:
        """Keep what a turn has said and charge for what it has used: all of it, or nothing.

        Args:
            messages: At most 1000, as `append_many` takes them.
            usage: At most 100 items as `usage.record_many` takes them. One without `message_id` belongs to the last
                message here whose role is `assistant`, else to the last one; one without `agent_id` to the agent of the
                conversation, as long as the user sees it.
            request_id: Your own name for this call, 1 to 200 characters. Repeating the call with it gives what the
                first one kept and charges nothing.
            expected_parent: The id of the message that you believe is the last one, 0 for an empty conversation. If
                somebody was faster nothing is written.
            enforce_budget: Refuse a cost that is larger than what remains.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user or conversation, deleted, or not this user's; no such parent in it; or a model,
                agent or message that is not there, or not this user's to name.
            BudgetError: With `enforce_budget`: the cost is larger than what remains; nothing was written.
            ConflictError: `expected_parent` is not the last message, or another call had this request_id and said or
                reported something else.
            InvalidInputError: A message or item that is not accepted, no message, or too many; nothing is written.
            UnsupportedError: `request_id`, on a database that the original package made.
            DeadlineError: `timeout` has passed; nothing was written.
        """
        turn = Finish(
            place=place_of(conversation_id, user_id),
            items=_items_of(usage),
            request_id=request_key(request_id),
            expected=optional_identifier(expected_parent, "expected_parent"),
            is_enforced=flag(enforce_budget, "enforce_budget"),
            batch=await batch_of(messages, most=MAX_PAGE),
        )
        steps, tell, row = partial(self._finish, turn), partial(_told, turn.place), ("User", user_id)
        merge = partial(self._merged, self._finishes, turn, steps, timeout, told=tell, row=row)
        write = partial(self._write, steps, timeout, told=tell, request_id=turn.request_id, row=row)
        finished: Finished
        try:
            finished = await (merge() if turn.is_small else write())
        except AccessDeniedError:
            if turn.items:
                raise
            # The one statement also writes usage, which a service may not that only keeps what was said.
            finished = await write()
        return FinishedTurn(
            messages=tuple(appended_messages(turn.place, turn.batch, turn.request_id, finished.appended)),
            charge=None if finished.outcome is None else finished.outcome.charge,
        )

    def _begin(self, place: Place, limit: int, named: int | str | None) -> Steps[tuple[Found, Agent | None]]:
        found = yield from self._found(place, limit, partial(_STATEMENTS.rows, self._session, "begin", now=now()))
        if isinstance(named, str):
            return found, (yield from self._agents._resolved_name(place.user_id, named))
        agent_id = found.first["conversation.agentID"] if named is None else named
        return found, None if agent_id is None else (yield from self._agents._resolved(place.user_id, agent_id))

    def _finish(self, turn: Finish) -> Steps[Finished]:
        """Refusals come before the first write."""
        place, key = turn.place, turn.request_id
        if turn.items:
            yield from self._locked_user(place.user_id)
        talk = yield from appending.lock(self._session, place)
        earlier = yield from self._looked_at(place, turn.batch, turn.expected, key)
        moment = now()
        if earlier:
            return Finished(AppendedMany((), moment, earlier), (yield from self._charged_before(turn, earlier)))
        if not turn.items:
            return Finished((yield from self._added(turn, moment)), None)
        if key is not None and (
            yield from _USAGE.rows(self._session, "recorded", user_id=place.user_id, request_id=key)
        ):
            raise another_call(key)
        agent_id = yield from self._seen(place.user_id, talk["agentID"])
        agent_ids = [agent_id] * len(turn.items)
        models, costs = yield from self._charges._priced(turn.report(None, agent_ids), moment)
        cost = sum_usd(costs)
        remaining = yield from self._charges._charged(place.user_id, cost, moment, is_enforced=turn.is_enforced)
        appended = yield from self._added(turn, moment)
        report = turn.report(appended.ids[turn.spoken], agent_ids)
        usage_ids = yield from self._charges._inserted_many(report, models, costs, moment)
        return Finished(appended, Outcome(Charge(usage_ids=usage_ids, cost_usd=cost, remaining=remaining), is_new=True))

    def _added(self, turn: Finish, moment: datetime) -> Steps[AppendedMany]:
        yield from appending.touch(self._session, turn.place, moment)
        ids = yield from appending.insert_many(self._session, turn.place, turn.batch.messages, moment, turn.request_id)
        return AppendedMany(ids, moment)

    def _seen(self, user_id: int, agent_id: int | None) -> Steps[int | None]:
        """The agent of a conversation, if the user still sees it: what it has cost is recorded in any case."""
        if agent_id is None:
            return None
        row = yield from _AGENTS.row(self._session, "visible_agent", user_id=user_id, agent_id=agent_id)
        return None if row is None else row["agentID"]

    def _charged_before(self, turn: Finish, messages: Sequence[Row]) -> Steps[Outcome | None]:
        """What the call that wrote these messages had charged.

        An item that names no agent is the same whichever agent the conversation had then.

        Raises:
            ConflictError: It reported something else.
        """
        key = turn.request_id
        assert key is not None
        stored = yield from _STATEMENTS.rows(
            self._session,
            "charged",
            user_id=turn.place.user_id,
            request_id=key,
            moment=messages[0]["createdAt"],
        )
        if len(stored) != len(turn.items):
            raise another_call(key)
        if not stored:
            return None
        report = turn.report(messages[turn.spoken]["id"], [row["agentID"] for row in stored])
        charge = yield from self._charges._earlier(report, key)
        return None if charge is None else Outcome(charge, is_new=False)


def _items_of(usage: Any) -> tuple[charges.Item, ...]:
    """The usage of a turn, which may have none."""
    return () if isinstance(usage, (list, tuple)) and not usage else items_of(usage, "usage")


def _told(place: Place, finished: Finished) -> Iterable[Event]:
    """What happened: nothing if it was a repeated call."""
    if finished.appended.ids:
        yield appending.happened(place, finished.appended.ids)
    if finished.outcome is not None:
        yield from charges.told(place.user_id, finished.outcome)


def _resources_of(messages: Sequence[Row]) -> tuple[Resource, ...]:
    """The resources in the rows of messages, at most the 1000 newest, oldest first."""
    found = [
        Resource.from_row(dict(zip(_RESOURCE, values, strict=False)))
        for row in messages
        if row["resources"] is not None
        for values in orjson.loads(row["resources"])
    ]
    return tuple(sorted(found, key=lambda resource: (resource.created_at or _LATEST, resource.id))[-MAX_PAGE:])
