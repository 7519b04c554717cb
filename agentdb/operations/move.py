"""Filling the target of a transfer, from wherever an earlier one ended, until it is ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from agentdb.engine import Session
from agentdb.engine.dialect import MissingRelationError
from agentdb.engine.snapshot import Snapshot
from agentdb.errors import ConflictError
from agentdb.lifecycle.attach import check_ready, read_readiness
from agentdb.lifecycle.intruders import refuse_intruders
from agentdb.lifecycle.migrate import Migrator
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.lifecycle.start import check_at_head, check_audit
from agentdb.lifecycle.unfinished import Unfinished, forget_unfinished, note_unfinished, read_unfinished
from agentdb.operations.advance import Told
from agentdb.operations.contents import Comparison, Content, read_contents
from agentdb.operations.copying import Copier
from agentdb.operations.rows import NO_ID, TableDigest, insert_rows, read_batches
from agentdb.operations.tables import all_table_names, state_table

WORK: Final = "transfer"
"""What the note in the target calls it, as the command is called."""


class Move:
    """One transfer between open databases, under the target's lock.

    Args:
        snapshot: Of the source.
        origin: What the source says it is.

    Attributes:
        contents: What the source held.

        The others are those of `Transfer`.
    """

    def __init__(
        self,
        source: Session,
        target: Session,
        snapshot: Snapshot,
        *,
        origin: str,
        replace: bool,
        verify: bool,
        told: Told,
    ) -> None:
        self.applied: tuple[str, ...] = ()
        self.contents: dict[str, Content] = {}
        self.digests: dict[str, str] | None = None
        self.is_resumed = False
        self.was_done = False
        self._different: Sequence[str] = ()
        self._source = source
        self._target = target
        self._snapshot = snapshot
        self._origin = origin
        self._replace = replace
        self._verify = verify
        self._told = told

    @property
    def _counts(self) -> dict[str, int]:
        return {name: found.rows for name, found in self.contents.items()}

    async def run(self) -> None:
        """Fill the target and let it become ready; `transfer` tells what is raised."""
        await refuse_intruders(self._target)
        self.contents = await read_contents(self._snapshot)
        note = await self._earlier()
        if note is None and not self._replace and await _is_occupied(self._target):
            self.was_done = await self._is_done()
            if not self.was_done:
                raise ConflictError(
                    f"The target at {self._target.target.shown} is not empty, and nothing was changed there. Name an "
                    "empty database, or pass --replace (replace=True) to delete what it holds."
                )
            return
        self.applied = await Migrator(self._target).upgrade()
        await check_at_head(self._target)
        self.is_resumed = note is not None and await self._resumed(note)
        if not self.is_resumed and not await self._finished(await self._begun()):
            raise ConflictError(
                f"The target differs from the source in {', '.join(self._different)}, and was not made ready: somebody "
                "else writes to it. Stop that, and run the transfer again."
            )

    async def _earlier(self) -> Unfinished | None:
        """Where an earlier transfer from this source ended; None if there was none, or it is to be replaced."""
        found = await read_unfinished(self._target)
        if found is None or (found.work, found.origin, found.version) == (WORK, self._origin, packaged_versions()[-1]):
            return found
        if self._replace:
            return None
        raise ConflictError(
            f"The target at {self._target.target.shown} holds the beginning of a {found.work} from {found.shown} at "
            f"{found.version}, and nothing was changed there. Run that again to finish it, or pass --replace "
            "(replace=True) to delete what it holds."
        )

    async def _begun(self) -> Unfinished:
        """Empty the target and leave the note in it: from now on it is not ready."""
        note = Unfinished(WORK, self._origin, self._source.target.shown, packaged_versions()[-1], 0, NO_ID)
        client = self._target.client
        async with client.transaction(isolation="read committed", is_patient=True):
            await client.dialect.empty_tables(client, all_table_names())
            await note_unfinished(client, note)
        return note

    async def _resumed(self, note: Unfinished) -> bool:
        """The same as `_finished`, where what was copied before may not fit the source as it is now."""
        try:
            return await self._finished(note)
        except ConflictError:
            return False

    async def _finished(self, note: Unfinished) -> bool:
        """Do what is left after `note`; False if the target then differs from the source, and is not ready.

        What an earlier run copied is always compared, because the source may have changed since.
        """
        self.digests = None
        is_verified = self._verify or note.step > 0 or note.last_id != NO_ID
        client = self._target.client
        copier = Copier(self._snapshot, client, counts=self._counts, is_digested=is_verified, told=self._told)
        await copier.run(note)
        if is_verified:
            if not await self._is_same(copier.digests):
                return False
            await check_audit(self._target, deep=True)
        async with client.transaction(isolation="read committed", is_patient=True):
            async for rows in read_batches(self._snapshot, state_table()):
                await insert_rows(client, state_table(), rows)
            await forget_unfinished(client)
        await check_ready(self._target)
        return True

    async def _is_same(self, known: Mapping[str, TableDigest]) -> bool:
        """Whether the target holds the same as the source."""
        comparison = Comparison(self._snapshot, known=known, told=self._told)
        async with self._target.client.snapshot() as theirs:
            self._different = await comparison.differences(theirs)
        self.digests = {name: found.sha256 for name, found in comparison.digests.items()}
        return not self._different

    async def _is_done(self) -> bool:
        """Whether an occupied target is ready and holds what the source holds."""
        if await read_readiness(self._target) is None or await Migrator(self._target).pending():
            return False
        async with self._target.client.snapshot() as theirs:
            counts = {name: found.rows for name, found in (await read_contents(theirs)).items()}
        return counts == self._counts and await self._is_same({})


async def _is_occupied(session: Session) -> bool:
    for name in all_table_names():
        try:
            if await session.fetch(f'SELECT 1 FROM "{name}" LIMIT 1'):  # noqa: S608 - a name of our models
                return True
        except MissingRelationError:
            continue  # it is yet to be migrated
    return False
