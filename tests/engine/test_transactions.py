"""Transactions, on both engines: what is kept, who may use one, and how long it may last."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from agentdb.engine import Session
from agentdb.engine.dialect import ConnectionLostError
from agentdb.engine.transaction import Transaction
from agentdb.errors import (
    ConflictError,
    DeadlineError,
    InvalidInputError,
    OutcomeUnknownError,
    TransactionError,
    UnavailableError,
)
from agentdb.models import Role, User
from tests.engine.engines import MODULES, names, opened, session_on

ENDLESS_READ = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgres": "SELECT pg_sleep(60)",
}

ENDLESS_WRITE = {
    "sqlite": f'INSERT INTO "Role" ("displayOrder") {ENDLESS_READ["sqlite"]}',
    "postgres": """INSERT INTO "Role" ("name") SELECT 'never' FROM pg_sleep(60)""",
}


class StopError(Exception):
    """A caller's own error."""


async def test_a_block_that_ends_is_kept(session: Session, url: str) -> None:
    """Seen by everybody else only then."""
    with session.use():
        async with session.transaction():
            await Role.create(name="a")
            await Role.create(name="b")
            before = await names(url)

    assert before == []
    assert await names(url) == ["a", "b"]


@pytest.mark.parametrize("error", [StopError, asyncio.CancelledError, KeyboardInterrupt])
async def test_a_block_that_raises_is_undone(session: Session, url: str, error: type[BaseException]) -> None:
    """Whatever it raises, and the error goes on."""
    with session.use(), pytest.raises(error):
        async with session.transaction():
            await Role.create(name="a")
            raise error

    assert await names(url) == []
    assert await session.fetch("SELECT 1 AS one")


async def test_reads_inside_see_their_own_writes_and_others_do_not_wait(session: Session) -> None:
    """On SQLite the readers are other connections than the writer's."""
    started, seen = asyncio.Event(), asyncio.Event()

    async def read_outside() -> int:
        await started.wait()
        with session.use():
            count = await Role.all().count()
        seen.set()
        return count

    outsider = asyncio.create_task(read_outside())
    with session.use():
        async with session.transaction():
            await Role.create(name="a")
            started.set()
            async with asyncio.timeout(5):
                await seen.wait()
            own = await Role.all().count()

    assert (own, await outsider) == (1, 0)


async def test_a_nested_block_fails_alone(session: Session, url: str) -> None:
    """Blocks that follow it, and the outer one, are kept."""
    with session.use():
        async with session.transaction():
            await Role.create(name="a")
            for name in ("b", "c", "d"):
                with suppress(StopError):
                    async with session.transaction():
                        await Role.create(name=name)
                        if name == "c":
                            raise StopError
            await Role.create(name="e")

    assert await names(url) == ["a", "b", "d", "e"]


async def test_nested_blocks_of_three_levels(session: Session, url: str) -> None:
    """What the middle one undoes includes the inner one that had ended well."""
    with session.use():
        async with session.transaction():
            await Role.create(name="outer")
            with suppress(StopError):
                async with session.transaction():
                    await Role.create(name="middle")
                    async with session.transaction():
                        await Role.create(name="inner")
                    raise StopError
            async with session.transaction():
                await Role.create(name="last")

    assert await names(url) == ["last", "outer"]


async def test_an_outer_block_that_raises_undoes_the_nested_ones(session: Session, url: str) -> None:
    """However well they ended."""
    with session.use(), pytest.raises(StopError):
        async with session.transaction():
            async with session.transaction():
                await Role.create(name="a")
            raise StopError

    assert await names(url) == []


async def test_a_failed_statement_ends_the_block(session: Session, url: str) -> None:
    """PostgreSQL refuses all that follows until a rollback, SQLite would go on: the answer is the same."""
    with session.use(), pytest.raises(TransactionError, match="failed, so it was rolled back"):
        async with session.transaction():
            await Role.create(name="a")
            with pytest.raises(ConflictError):
                await Role.create(name="a")
            with pytest.raises(TransactionError):
                await Role.create(name="b")
            with pytest.raises(TransactionError):
                await Role.all().count()

    assert await names(url) == []


async def test_a_nested_block_saves_the_outer_from_a_failed_statement(session: Session, url: str) -> None:
    """That is what nesting is for."""
    with session.use():
        async with session.transaction():
            await Role.create(name="a")
            with pytest.raises(ConflictError):
                async with session.transaction():
                    await Role.create(name="a")
            with pytest.raises(TransactionError):
                async with session.transaction():
                    with suppress(ConflictError):
                        await Role.create(name="a")
            await Role.create(name="b")

    assert await names(url) == ["a", "b"]


async def test_a_value_that_is_refused_beforehand_ends_nothing(session: Session, url: str) -> None:
    """No engine saw it."""
    with session.use():
        async with session.transaction():
            with pytest.raises(InvalidInputError):
                await Role.create(name="a\x00b")
            await Role.create(name="a")

    assert await names(url) == ["a"]


async def test_a_failure_that_nobody_reported_is_not_acknowledged(postgres_url: str) -> None:
    """PostgreSQL ends a failed transaction with a ROLLBACK and no error, whatever was asked."""

    async def careless(channel: Any) -> None:
        with suppress(Exception):
            await channel.execute("SELECT 1 / 0", ())

    async with opened(postgres_url) as session:
        with session.use(), pytest.raises(TransactionError, match="unnoticed"):
            async with session.transaction():
                await Role.create(name="a")
                await session.client.run(careless)

    assert await names(postgres_url) == []


async def test_a_child_task_cannot_use_the_transaction(session: Session, url: str) -> None:
    """Statements of two tasks would interleave; the owner goes on undisturbed."""
    with session.use():
        async with session.transaction():
            await Role.create(name="a")
            for child in (Role.create(name="b"), nothing_in(session)):
                with pytest.raises(TransactionError, match="belongs to the task that began it"):
                    await asyncio.create_task(as_coroutine(child))
            await Role.create(name="c")

    assert await names(url) == ["a", "c"]


async def test_a_task_that_outlives_a_transaction_is_told(session: Session, url: str) -> None:
    """Its write is neither lost nor done by somebody else's commit."""
    over = asyncio.Event()

    async def late() -> None:
        await over.wait()
        await Role.create(name="late")

    with session.use():
        async with session.transaction():
            await Role.create(name="a")
            child = asyncio.create_task(late())
        async with session.transaction():
            over.set()
            with pytest.raises(TransactionError, match="is over"):
                await child

    assert await names(url) == ["a"]


async def test_a_task_from_before_works_beside_the_transaction(session: Session, url: str) -> None:
    """It never joined, and waits for its turn where there is only one writer."""
    begun = asyncio.Event()

    async def beside() -> None:
        await begun.wait()
        with session.use():
            await Role.create(name="beside")

    task = asyncio.create_task(beside())
    with session.use(), suppress(StopError):
        async with session.transaction():
            await Role.create(name="inside")
            begun.set()
            await asyncio.sleep(0)
            raise StopError
    await task

    assert await names(url) == ["beside"]


async def test_transactions_of_two_handles_do_not_mix(sqlite_url: str, postgres_url: str) -> None:
    """One task may hold one on each."""
    async with opened(sqlite_url) as one, opened(postgres_url) as other:
        with suppress(StopError):
            async with one.transaction():
                with one.use():
                    await Role.create(name="a")
                async with other.transaction():
                    with other.use():
                        await Role.create(name="b")
                with one.use():
                    await Role.create(name="c")
                raise StopError

    assert await names(sqlite_url) == []
    assert await names(postgres_url) == ["b"]


async def test_reading_and_then_writing_never_fails_on_sqlite(sqlite_url: str) -> None:
    """Of two handles, as of two processes: a transaction that became a writer later could not wait for the lock."""

    async def count(session: Session) -> None:
        for _ in range(25):
            async with session.transaction():
                role = await Role.get(name="counter")
                await Role.filter(id=role.id).update(display_order=(role.display_order or 0) + 1)

    async with opened(sqlite_url) as one, opened(sqlite_url) as other:
        with one.use():
            await Role.create(name="counter")
            first = asyncio.create_task(count(one))
        with other.use():
            second = asyncio.create_task(count(other))
            await asyncio.gather(first, second)

            assert (await Role.get(name="counter")).display_order == 50


# How long it may last.


async def test_after_its_limit_it_is_rolled_back_and_the_next_call_raises(session: Session, url: str) -> None:
    """Also the end of the block, if nothing else is called."""
    with session.use():
        for calls in (True, False):
            with pytest.raises(DeadlineError, match=r"rolled back after its limit of 0.05 s"):
                async with session.transaction(limit_s=0.05) as transaction:
                    await Role.create(name="a")
                    await ended(transaction)
                    if calls:
                        await Role.create(name="b")
        await Role.create(name="c")

    assert await names(url) == ["c"]


async def test_at_its_limit_it_frees_what_it_held(session: Session, url: str) -> None:
    """Not only when the block ends, which may wait for a model's answer."""
    held = asyncio.Event()

    async def other() -> None:
        await held.wait()
        with session.use():
            await Role.create(name="a")

    task = asyncio.create_task(other())
    with session.use(), pytest.raises(DeadlineError, match="after its limit"):
        async with session.transaction(limit_s=0.05):
            await Role.create(name="a")
            held.set()
            await task
            freed = await names(url)
            await Role.all().count()

    assert freed == ["a"]


async def test_the_limit_stops_a_running_statement(session: Session, url: str) -> None:
    """It is cancelled in the database, so the connection answers at once."""
    with session.use():
        with pytest.raises(DeadlineError):
            async with session.transaction(limit_s=0.1):
                await Role.create(name="a")
                async with asyncio.timeout(20):
                    await session.fetch(ENDLESS_READ[session.dialect.name])
        async with asyncio.timeout(5):
            await Role.create(name="b")

    assert await names(url) == ["b"]


async def test_a_caught_deadline_does_not_revive_it(session: Session, url: str) -> None:
    """Each further call says the same."""
    with session.use(), pytest.raises(DeadlineError):
        async with session.transaction(limit_s=0.05) as transaction:
            await Role.create(name="a")
            await ended(transaction)
            for _ in range(2):
                with pytest.raises(DeadlineError):
                    await Role.create(name="b")
                with pytest.raises(DeadlineError):
                    async with session.transaction():
                        pass

    assert await names(url) == []


async def test_a_nested_block_that_is_cancelled_leaves_no_half(session: Session, url: str) -> None:
    """SQLite rolls back the whole when a write is interrupted, so the outer block is told; PostgreSQL goes on."""

    async def nested() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1), session.transaction():
                await session.fetch(ENDLESS_WRITE[session.dialect.name])

    with session.use():
        if session.dialect.name == "sqlite":
            with pytest.raises(TransactionError, match="failed, so it was rolled back"):
                async with session.transaction():
                    await Role.create(name="a")
                    await nested()
                    await Role.create(name="b")
        else:
            async with session.transaction():
                await Role.create(name="a")
                await nested()
                await Role.create(name="b")

    assert await names(url) == ([] if session.dialect.name == "sqlite" else ["a", "b"])


async def test_the_limit_also_ends_a_nested_block(session: Session, url: str) -> None:
    """Its savepoint is gone with the whole."""
    with session.use(), pytest.raises(DeadlineError):
        async with session.transaction(limit_s=0.05) as transaction:
            with suppress(StopError):
                async with session.transaction():
                    await Role.create(name="a")
                    await ended(transaction)
                    raise StopError
            await Role.create(name="b")

    assert await names(url) == []


async def test_awaiting_another_writer_inside_is_a_deadline_and_no_hang(url: str) -> None:
    """Task one holds the row, or the only writer, and waits for task two, who waits for it."""
    async with opened(url, acquire_timeout_s=0.3, statement_timeout_s=0.3) as session:
        with session.use():
            await Role.create(name="a")
            first = asyncio.Event()

            async def other() -> None:
                await first.wait()
                await Role.filter(name="a").update(display_order=2)

            with pytest.raises((DeadlineError, OutcomeUnknownError)):
                task = asyncio.create_task(other())
                async with asyncio.timeout(20), session.transaction(limit_s=5):
                    await Role.filter(name="a").update(display_order=1)
                    first.set()
                    await task

            assert (await Role.get(name="a")).display_order is None


# Who may use the handle.


async def test_a_handle_belongs_to_its_event_loop(session: Session) -> None:
    """Another loop gets an error, and the database stays usable in its own."""
    found: list[BaseException] = []

    async def elsewhere() -> None:
        for call in (session.fetch("SELECT 1"), nothing_in(session), session.unit(lambda: session.fetch("SELECT 1"))):
            try:
                await call
            except TransactionError as error:
                found.append(error)

    thread = threading.Thread(target=asyncio.run, args=(elsewhere(),))
    thread.start()
    await asyncio.to_thread(thread.join)

    assert ["another event loop" in str(error) for error in found] == [True, True, True]
    assert await session.fetch("SELECT 1 AS one")


async def test_a_closed_handle_is_told(session: Session) -> None:
    """By every way in, and closing twice is harmless."""
    await session.close()
    await session.close()

    for call in (
        lambda: session.fetch("SELECT 1"),
        lambda: session.client.fetch("SELECT 1"),
        lambda: session.client.execute_script("DELETE FROM x"),
        lambda: nothing_in(session),
        lambda: session.unit(lambda: session.fetch("SELECT 1")),
        lambda: session.read(lambda: session.fetch("SELECT 1")),
    ):
        with pytest.raises(TransactionError, match="handle is closed"):
            await call()
    with pytest.raises(TransactionError, match="handle is closed"), session.use():
        pass


async def test_closing_waits_for_who_still_works(url: str) -> None:
    """A transaction under way is kept; whoever comes later is told."""
    session = session_on(url)
    await session.open(MODULES)
    written, closing = asyncio.Event(), asyncio.Event()

    async def worker() -> None:
        with session.use():
            async with session.transaction():
                await Role.create(name="a")
                written.set()
                await closing.wait()
                await asyncio.sleep(0.02)
                await Role.create(name="b")

    task = asyncio.create_task(worker())
    await written.wait()
    closing.set()
    await session.close()
    await task

    assert await names(url) == ["a", "b"]


async def test_closing_does_not_wait_for_ever(url: str) -> None:
    """Who still holds a transaction then loses it, and is told."""
    session = session_on(url, connect_timeout_s=0.5)
    await session.open(MODULES)
    with session.use(), pytest.raises((TransactionError, UnavailableError, OutcomeUnknownError)):
        async with session.transaction():
            await Role.create(name="a")
            await session.close()
            await Role.create(name="b")

    assert await names(url) == []


# After the commit.


async def test_callbacks_run_once_after_the_outermost_commit(session: Session, url: str) -> None:
    """In their order, when others can see the rows, and no longer inside the transaction."""
    told: list[object] = []
    with session.use():
        async with session.transaction() as outer:
            outer.on_commit(lambda: told.append("outer"))
            async with session.transaction() as nested:
                nested.on_commit(lambda: told.append("nested"))
                nested.on_commit(lambda: told.append(session.client.joined()))
                await Role.create(name="a")
            before = list(told)

    assert before == []
    assert told == ["outer", "nested", None]


async def test_callbacks_do_not_run_after_a_rollback(session: Session) -> None:
    """Nor those of a nested block that was undone, while its neighbours' do."""
    told: list[str] = []
    with session.use():
        with suppress(StopError):
            async with session.transaction() as transaction:
                transaction.on_commit(lambda: told.append("never"))
                raise StopError
        async with session.transaction() as transaction:
            transaction.on_commit(lambda: told.append("before"))
            with suppress(StopError):
                async with session.transaction() as nested:
                    nested.on_commit(lambda: told.append("never"))
                    raise StopError
            transaction.on_commit(lambda: told.append("after"))
        with pytest.raises(DeadlineError):
            async with session.transaction(limit_s=0.05) as transaction:
                transaction.on_commit(lambda: told.append("never"))
                await ended(transaction)

    assert told == ["before", "after"]


async def test_callbacks_run_when_the_task_is_cancelled_during_commit(session: Session, url: str) -> None:
    """What was kept is told, and the cancellation is delivered afterwards."""
    told: list[str] = []
    task = asyncio.current_task()
    assert task is not None
    with session.use(), pytest.raises(asyncio.CancelledError):
        async with session.transaction() as transaction:
            await Role.create(name="a")
            transaction.on_commit(lambda: told.append("a"))
            before_commit(transaction, task.cancel)
    task.uncancel()

    assert told == ["a"]
    assert await names(url) == ["a"]


async def test_a_callback_that_fails_undoes_nothing(
    session: Session, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the ones after it run."""
    told: list[str] = []
    with session.use():
        async with session.transaction() as transaction:
            await Role.create(name="a")
            transaction.on_commit(lambda: told.append("first"))
            transaction.on_commit(lambda: 1 / 0)  # type: ignore[arg-type]  # its result does not matter
            transaction.on_commit(lambda: told.append("last"))

    assert told == ["first", "last"]
    assert await names(url) == ["a"]
    assert "callback after a commit failed" in caplog.text


# Tortoise's own transactions.


async def test_get_or_create(session: Session, url: str) -> None:
    """Outside, inside, and ten at once: one row each."""
    with session.use():
        outside = [created for _, created in [await Role.get_or_create(name="a") for _ in range(2)]]
        async with session.transaction():
            inside = [created for _, created in [await Role.get_or_create(name="b") for _ in range(2)]]
        at_once = [created for _, created in await asyncio.gather(*(Role.get_or_create(name="c") for _ in range(10)))]

    assert outside == inside == [True, False]
    assert sum(at_once) == 1
    assert await names(url) == ["a", "b", "c"]


async def test_update_or_create(session: Session) -> None:
    """Outside and inside, with money among the defaults."""
    with session.use():
        for email in ("outside", "inside"):
            for budget in (5, 6):
                if email == "inside":
                    async with session.transaction():
                        await User.update_or_create({"budget": budget}, email=email)
                else:
                    await User.update_or_create({"budget": budget}, email=email)

        assert await User.all().order_by("id").values_list("email", "budget") == [("outside", 6), ("inside", 6)]


async def test_bulk_create(session: Session, url: str) -> None:
    """All rows or none, outside and inside, where it can fail alone if nested."""
    with session.use():
        await Role.bulk_create(Role(name=name) for name in "ab")
        with pytest.raises(ConflictError):
            await Role.bulk_create(Role(name=name) for name in "cda")
        async with session.transaction():
            await Role.bulk_create(Role(name=name) for name in "ef")
            with pytest.raises(ConflictError):
                await Role.bulk_create((Role(name=name) for name in "gha"), batch_size=2)
            await Role.create(name="i")

    assert [name for name in await names(url) if name not in "gh"] == ["a", "b", "e", "f", "i"]


async def test_in_transaction_of_tortoise_is_ours(session: Session, url: str) -> None:
    """Code that only knows Tortoise gets the same transactions."""
    from tortoise.transactions import atomic, in_transaction

    @atomic()
    async def nested() -> None:
        await Role.create(name="b")
        raise StopError

    with session.use():
        async with in_transaction() as connection:
            await Role.create(name="a", using_db=connection)
            with suppress(StopError):
                await nested()
            assert session.client.joined() is not None

    assert await names(url) == ["a"]


# A unit of work.


async def test_a_unit_is_one_transaction(session: Session, url: str) -> None:
    """Its result comes back, its failure leaves nothing."""

    async def work() -> str:
        await Role.create(name="a")
        return "done"

    async def failing() -> None:
        await Role.create(name="b")
        raise StopError

    assert await session.unit(work) == "done"
    with pytest.raises(StopError):
        await session.unit(failing)
    assert await names(url) == ["a"]


@pytest.mark.parametrize("error", [UnavailableError("not now"), ConnectionLostError("gone")])
async def test_a_unit_is_repeated_as_a_whole(session: Session, url: str, error: Exception) -> None:
    """Nothing of the attempts that failed is left."""
    work = Flaky(error, failures=3)

    assert await session.unit(work) == 4
    assert await names(url) == ["attempt 4"]


@pytest.mark.parametrize("error", [OutcomeUnknownError("perhaps"), ConflictError("no"), DeadlineError("late")])
async def test_a_unit_is_not_repeated_after_other_errors(session: Session, error: Exception) -> None:
    """It may have been done, or would fail again."""
    work = Flaky(error, failures=1)
    with pytest.raises(type(error)):
        await session.unit(work)

    assert work.attempts == 1


async def test_a_unit_inside_a_transaction_is_part_of_it(session: Session, url: str) -> None:
    """Only the caller can repeat the whole; what failed is undone alone."""
    work = Flaky(UnavailableError("not now"), failures=1)
    with session.use():
        async with session.transaction():
            await Role.create(name="a")
            with pytest.raises(UnavailableError):
                await session.unit(work)
            await Role.create(name="b")

    assert work.attempts == 1
    assert await names(url) == ["a", "b"]


async def test_a_unit_has_a_deadline(session: Session, url: str) -> None:
    """For all attempts together, and inside a transaction too."""

    async def slow() -> None:
        await Role.create(name="a")
        await session.fetch(ENDLESS_READ[session.dialect.name])

    with pytest.raises(DeadlineError, match=r"within 0.2 s, and rolled back"):
        await session.unit(slow, timeout_s=0.2)
    with pytest.raises(UnavailableError, match="not now") as caught:
        await session.unit(Flaky(UnavailableError("not now"), failures=1000), timeout_s=0.2)
    assert caught.value.__notes__ == ["It was tried for 0.2 s."]
    with session.use(), pytest.raises((DeadlineError, TransactionError)):
        async with session.transaction():
            await session.unit(slow, timeout_s=0.2)
    assert await names(url) == []


async def test_a_deadline_that_passes_during_commit_is_a_success(session: Session, url: str) -> None:
    """The rows are there, so nothing else may be said."""

    async def work() -> str:
        await Role.create(name="a")
        transaction = session.client.joined()
        assert transaction is not None
        before_commit(transaction, lambda: asyncio.sleep(0.2))
        return "done"

    assert await session.unit(work, timeout_s=0.15) == "done"
    assert await names(url) == ["a"]


async def test_a_cancelled_unit_is_cancelled(session: Session, url: str) -> None:
    """It is not taken for a deadline, nor repeated."""
    begun = asyncio.Event()

    async def work() -> None:
        await Role.create(name="a")
        begun.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(session.unit(work, timeout_s=30))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await names(url) == []
    assert await session.fetch("SELECT 1 AS one")


class Flaky:
    """Work that fails a few times after it has written."""

    def __init__(self, error: Exception, *, failures: int) -> None:
        self.error, self.failures, self.attempts = error, failures, 0

    async def __call__(self) -> int:
        self.attempts += 1
        await Role.create(name=f"attempt {self.attempts}")
        if self.attempts <= self.failures:
            raise self.error
        return self.attempts


def before_commit(transaction: Transaction, action: Callable[[], Any]) -> None:
    """Let `action` happen when the transaction has begun to commit, and is no longer to be stopped."""
    channel = transaction._channel
    control = channel.control

    async def committing(sql: str, *, within_s: float | None = None) -> None:
        if sql == "COMMIT":
            found = action()
            if isinstance(found, Awaitable):
                await found
            await asyncio.sleep(0)
        await control(sql, within_s=within_s)

    channel.control = committing  # type: ignore[method-assign]  # the moment cannot be met otherwise


async def ended(transaction: Transaction) -> None:
    """Wait until the limit has ended it."""
    while transaction._expiry is None:
        await asyncio.sleep(0.01)
    await transaction._expiry


async def nothing_in(session: Session) -> None:
    """An empty transaction."""
    async with session.transaction():
        pass


async def as_coroutine(work: Awaitable[Any]) -> Any:
    """`work`, as tasks take it."""
    return await work
