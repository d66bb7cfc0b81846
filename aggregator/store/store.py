"""The store: one object with everything that the aggregator keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from aggregator.records import Batch, Fenced, Hole, Opened, Opening, Outcome, QueueBehind, Stored
from aggregator.store import agents, batches, engine, migrate, retention, streams
from aggregator.store.agents import AgentNote, AgentRow
from aggregator.store.engine import reading_engine, writing_engine
from aggregator.store.errors import StoreError, UnstorableError, told_apart
from aggregator.store.incidents import IncidentQuery, IncidentRow, list_incidents
from aggregator.store.migrate import Standing
from aggregator.store.snapshot import StoreSnapshot, take_snapshot
from aggregator.store.tallies import StreetOf, nowhere
from aggregator.store.turn import Turn


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


class Store:
    """SQLite or PostgreSQL behind one interface. Every method raises ``StoreError`` where the database does.

    Methods that write are called from one thread at a time; the others from any. ``street_of`` says in which street a
    camera stands when something is counted of it.
    """

    def __init__(self, url: URL, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self.street_of: StreetOf = nowhere
        with told_apart():
            self._writer = writing_engine(url)
            self._reader = reading_engine(url, self._writer)
        database = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        self._turn = Turn(database, engine.BUSY_TIMEOUT_MS / 1000)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every connection."""
        self._reader.dispose()
        self._writer.dispose()
        self._turn.close()

    def standing(self) -> Standing:
        """How the database's tables compare with the ones that this version knows."""
        try:
            return migrate.standing(self._reader)
        except StoreError as error:
            raise StoreError(f"{self._reader.url}: {error}") from error

    def migrate(self, to: str = "head") -> None:
        """Bring the tables to revision ``to``."""
        with self._turn.taken():
            migrate.migrate(self._writer, to)

    def downgrade(self, to: str) -> None:
        """Take the tables back to revision ``to``."""
        with self._turn.taken():
            migrate.downgrade(self._writer, to)

    def open_stream(self, hello: Opening) -> Opened | QueueBehind:
        """Register a stream, fence off the agent's older ones, and say what is stored of its queue."""
        return self.open_streams([hello])[hello.agent_id]

    def open_streams(self, hellos: Sequence[Opening]) -> dict[str, Opened | QueueBehind]:
        """The same for streams of many agents in one transaction; by agent."""
        with self._writing() as connection:
            return streams.open_streams(connection, hellos, self._clock())

    def refuse(self, agent_id: str) -> None:
        """Remember that an agent that is not known tried to connect."""
        with self._writing() as connection:
            streams.refuse(connection, agent_id, self._clock())

    def commit(self, taken: Sequence[Batch]) -> list[Outcome]:
        """Store many streams' batches in one transaction; when this returns they are durable.

        A value that the database can never hold costs its own event alone: that one is rejected.
        """
        try:
            return self._commit(taken)
        except UnstorableError:
            if len(taken) > 1:
                return [self.commit([batch])[0] for batch in taken]
            return [self._commit_one_by_one(taken[0])]

    def note(self, notes: Sequence[AgentNote]) -> None:
        """Keep what agents last said of themselves."""
        if notes:
            with self._writing() as connection:
                agents.note(connection, notes, self.street_of)

    def retire(self, agent_id: str) -> bool:
        """End an agent's series until it connects again; false if no such agent is known."""
        with self._writing() as connection:
            return agents.retire(connection, agent_id)

    def forget(self, before: datetime) -> int:
        """Delete a part of what is older than ``before``; returns how many rows went, 0 when all is done."""
        with self._writing() as connection:
            return retention.forget(connection, before)

    def snapshot(self) -> StoreSnapshot:
        """Counts and states for the metrics."""
        with told_apart(), self._reader.begin() as connection:
            return take_snapshot(connection)

    def agents(self, only: Sequence[str] | None = None) -> list[AgentRow]:
        """All agents by id, or ``only`` these."""
        with told_apart(), self._reader.begin() as connection:
            return agents.list_agents(connection, only)

    def incidents(self, query: IncidentQuery) -> list[IncidentRow]:
        """Incidents that fit ``query``, the last opened first."""
        with told_apart(), self._reader.begin() as connection:
            return list_incidents(connection, query)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with told_apart(), self._turn.taken(), self._writer.begin() as connection:
            yield connection

    def _commit(self, taken: Sequence[Batch]) -> list[Outcome]:
        with self._writing() as connection:
            return batches.take(connection, taken, self._clock(), self.street_of)

    def _commit_one_by_one(self, batch: Batch) -> Outcome:
        total = Stored(batch.first_seq - 1, (), 0, 0)
        for entry in batch.entries:
            single = replace(batch, first_seq=entry.seq, entries=(entry,))
            try:
                outcome = self._commit([single])[0]
            except UnstorableError as error:
                refused = entry._replace(body=None, reject_reason=f"cannot be stored: {error}")
                outcome = self._commit([replace(single, entries=(refused,))])[0]
            if isinstance(outcome, (Hole, Fenced)):
                return outcome
            total = Stored(
                outcome.committed_seq,
                total.rejected + outcome.rejected,
                total.stored + outcome.stored,
                total.duplicates + outcome.duplicates,
            )
        return total
