"""How often each proof repeats itself: `ci` by default, `full` with AGENTDB_PROOFS=full."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Sizes of the proofs.

    Attributes:
        cancelled_transactions: Transactions that are cancelled at a random moment, per engine and style.
        random_charges: Charges against random balances, per engine.
        simultaneous_starts: Rounds of eight processes that start on one empty database.
        killed_initialisers: Initialising processes that are killed, each at another moment.
        hostile_seed_files: Seed files that have to be refused.
        charges_per_process: Charges of each of eight processes that spend from the same accounts.
        messages_per_writer: Messages of each of sixteen writers to one conversation.
        operation_sequences: Random sequences of 40 operations that both engines have to answer alike.
        mixed_crowds: Crowds of 400 calls that share transactions, and are compared with the same calls one by one.
        sigkills: Writing processes on a SQLite file that are killed in the middle of work.
        sigkill_acknowledged: Writes that those processes have to be told are done, at least.
        postgres_faults: Faults of a PostgreSQL server, or of the way to it, under writers.
        postgres_acknowledged: Writes that are told to be done among those faults, at least.
        pgbouncer_faults: The same faults with PgBouncer in between.
        cancelled_awaits: Calls of public methods that are cancelled, each at another await.
        changed_secrets: Protected values that are changed in one bit, or put in another place.
        killed_transfers: Times that one transfer is killed and run again, per direction.
        fuzzed_files: Damaged SQLite files that are opened.
        killed_adoptions: Processes that are killed while they adopt a database, each at another step.
        damaged_originals: Databases of the original package with random damage that are adopted.
        backups_under_writers: Backups that are taken while three processes write, per engine.
        killed_backups: Backups that are killed, each at another moment, and as many restores, per engine.
        retention_rounds: Times that old rows are removed while writers go on, per engine.
        deadline_slack_s: How much later than its deadline a call may end; a busy machine needs more.
    """

    cancelled_transactions: int
    random_charges: int
    simultaneous_starts: int
    killed_initialisers: int
    hostile_seed_files: int
    charges_per_process: int
    messages_per_writer: int
    operation_sequences: int
    mixed_crowds: int
    sigkills: int
    sigkill_acknowledged: int
    postgres_faults: int
    postgres_acknowledged: int
    pgbouncer_faults: int
    cancelled_awaits: int
    changed_secrets: int
    killed_transfers: int
    fuzzed_files: int
    killed_adoptions: int
    damaged_originals: int
    backups_under_writers: int
    killed_backups: int
    retention_rounds: int
    deadline_slack_s: float


SIZES: Final = {
    "ci": Counts(
        cancelled_transactions=100,
        random_charges=20_000,
        simultaneous_starts=2,
        killed_initialisers=5,
        hostile_seed_files=20,
        charges_per_process=100,
        messages_per_writer=40,
        operation_sequences=64,
        mixed_crowds=3,
        sigkills=6,
        sigkill_acknowledged=600,
        postgres_faults=10,
        postgres_acknowledged=500,
        pgbouncer_faults=5,
        cancelled_awaits=400,
        changed_secrets=200,
        killed_transfers=3,
        fuzzed_files=40,
        killed_adoptions=2,
        damaged_originals=3,
        backups_under_writers=3,
        killed_backups=3,
        retention_rounds=3,
        deadline_slack_s=5.0,
    ),
    "full": Counts(
        cancelled_transactions=400,
        random_charges=1_000_000,
        simultaneous_starts=10,
        killed_initialisers=20,
        hostile_seed_files=20,
        charges_per_process=5_000,
        messages_per_writer=200,
        operation_sequences=2_000,
        mixed_crowds=60,
        sigkills=300,
        sigkill_acknowledged=50_000,
        postgres_faults=200,
        postgres_acknowledged=20_000,
        pgbouncer_faults=100,
        cancelled_awaits=5_000,
        changed_secrets=1_000,
        killed_transfers=20,
        fuzzed_files=500,
        killed_adoptions=20,
        damaged_originals=100,
        backups_under_writers=30,
        killed_backups=40,
        retention_rounds=40,
        deadline_slack_s=0.5,
    ),
}
SIZE: Final = os.environ.get("AGENTDB_PROOFS", "ci")
COUNTS: Final = SIZES[SIZE]


def report_header() -> str:
    """One line for the head of a test run: which size runs, and its counts."""
    told = ", ".join(f"{field.name.replace('_', ' ')} {getattr(COUNTS, field.name):,}" for field in fields(COUNTS))
    return f"proofs: {SIZE} ({told})"
