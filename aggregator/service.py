"""The whole aggregator: store, group commit, gRPC server, metrics and housekeeping, from start to drain."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog

from aggregator import __version__
from aggregator.config import AggregatorConfig, is_loopback
from aggregator.enrollment import EnrollmentError, EnrollmentServer
from aggregator.evidence import EvidenceFolder
from aggregator.evidence_service import EvidenceService
from aggregator.fleet import Fleet
from aggregator.identity import Identity, IdentityError
from aggregator.ingest import Ingest
from aggregator.label_sets import LabelSets
from aggregator.limits import Limits
from aggregator.metrics import Metrics, MetricsServer
from aggregator.refresh import Refresher
from aggregator.server import IngestServer, StartError
from aggregator.store.errors import StoreError
from aggregator.store.migrate import Standing
from aggregator.store.snapshot import StoreSnapshot
from aggregator.store.store import Store, utc_now
from aggregator.stream_parts import Shared

log = structlog.get_logger(__name__)

SWITCH_S = 0.0001
"""How long a thread that computes may keep the interpreter from the others: an ack waits for it a dozen times, at every
statement and from thread to thread, and Python's default is 5 ms. The metrics of thousands of agents take 300."""
COLLECT_AFTER = (20_000, 5, 10)
"""When Python looks for cycles among its objects, as ``gc.set_threshold`` has it. Events hang in none; by default it
looks through those on their way again and again, a quarter of all time. All threads stand still meanwhile: some 5 ms
for the first of these, 20 for the second. The third, a tenth of a second for everything that thousands of agents have,
is Python's own and comes when a quarter more has lived long: what closed streams leave behind would stay else."""
NOTES_AT_ONCE = 200
"""Agents of whose heartbeats one transaction keeps the last, so that no ack waits for those of thousands."""
FORGET_EVERY_S = 3600.0
FORGET_PAUSE_S = 0.05
"""Between two parts of a deletion, so that commits come in between."""


def open_store(config: AggregatorConfig, *, migrate: bool) -> Store:
    """Open the store; a new one gets its tables, an old one only with ``migrate``. Raises ``StoreError``."""
    store = Store(config.store)
    try:
        standing = store.standing()
        if standing is Standing.BEHIND and not migrate:
            raise StoreError(
                f"{config.store}: its tables are of an older version: back it up, then run "
                f"'clearway-aggregator migrate', or serve with --migrate"
            )
        if standing is not Standing.CURRENT:
            store.migrate()
            log.info("store has its tables", store=str(config.store), was=standing.value)
    except StoreError:
        store.close()
        raise
    return store


class Service:
    """An aggregator that serves between ``start`` and ``stop``."""

    def __init__(self, config: AggregatorConfig, store: Store) -> None:
        self._config = config
        self._store = store
        self._fleet = Fleet()
        self._metrics = Metrics(config.metrics)
        self._refresher = Refresher(config, store, self._fleet, self._metrics)
        self._stack = AsyncExitStack()
        self.address = ""
        self.metrics_address = ""
        self.enrollment_address = ""

    async def start(self) -> None:
        """Begin to serve. Raises ``StartError``, ``StoreError``, or ``ConfigError`` for places; nothing runs then."""
        async with AsyncExitStack() as stack:
            identity = await asyncio.to_thread(open_identity, self._config)
            self._metrics.watch_certificate(identity)
            self._fleet.restore(await asyncio.to_thread(self._store.agents))
            snapshot = await self._refresher.begin()
            try:
                metrics = MetricsServer(self._metrics, self._config.metrics.listen)
            except OSError as error:
                raise StartError(
                    f"cannot serve metrics on {self._config.metrics.listen}: {error.strerror or error}; "
                    f"set another address in metrics.listen"
                ) from error
            stack.push_async_callback(asyncio.to_thread, metrics.close)
            self._ingest = await stack.enter_async_context(Ingest(self._store, self._config.commit, self._metrics))
            stack.push_async_callback(self._keep_notes)
            self._pictures = evidence_folder(self._config)
            limits = Limits(self._config.limits, time.monotonic)
            evidence = EvidenceService(self._pictures, self._config.knows, self._metrics, identity, limits)
            stack.push_async_callback(asyncio.to_thread, evidence.close)
            shared = Shared(
                self._config,
                self._store,
                self._ingest,
                self._fleet,
                self._metrics,
                utc_now,
                identity,
                limits,
                LabelSets(self._config.limits, names_of(snapshot)),
            )
            server = IngestServer(shared, evidence)
            for work in (self._refresh_forever(), self._forget_forever()):
                stack.push_async_callback(_end, asyncio.create_task(work))
            self.address = await server.start()
            stack.push_async_callback(server.stop)
            if identity is not None and identity.authority is not None:
                enrollment = EnrollmentServer(self._config, identity, identity.authority)
                try:
                    self.enrollment_address = await enrollment.start()
                except EnrollmentError as error:
                    raise StartError(str(error)) from error
                stack.push_async_callback(enrollment.stop)
            self.metrics_address = metrics.address
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Drain, commit what came, and stop."""
        await self._stack.aclose()

    async def refresh(self) -> None:
        """Keep what agents said, and show the store's present counts."""
        await self._keep_notes()
        await self._refresher.show()

    def reread_places(self) -> None:
        """Read the places file with the next refresh, changed or not."""
        self._refresher.places.expire()

    async def _keep_notes(self) -> None:
        left = self._fleet.changed
        while left > 0 and (notes := self._fleet.take_notes(NOTES_AT_ONCE)):
            left -= len(notes)
            try:
                await self._ingest.write(partial(self._store.note, notes))
                self._fleet.kept(notes)
            except StoreError as error:
                self._fleet.put_back(notes)
                log.error("what agents said was not kept", error=str(error))
                return

    async def _refresh_forever(self) -> None:
        while True:
            await asyncio.sleep(self._config.metrics.refresh_s)
            try:
                await self.refresh()
            except StoreError as error:
                log.error("metrics were not refreshed", error=str(error))

    async def _forget_forever(self) -> None:
        while self._config.retention_days:
            before = utc_now() - timedelta(days=self._config.retention_days)
            try:
                while gone := await self._ingest.write(partial(self._store.forget, before)):
                    log.info("old rows deleted", rows=gone, before=before.isoformat())
                    await asyncio.sleep(FORGET_PAUSE_S)
            except StoreError as error:
                log.error("old rows were not deleted", error=str(error))
            await self._forget_pictures(before)
            await asyncio.sleep(FORGET_EVERY_S)

    async def _forget_pictures(self, before: datetime) -> None:
        if self._pictures is None:
            return
        try:
            if gone := await asyncio.to_thread(self._pictures.forget, before):
                log.info("old pictures deleted", files=gone, before=before.isoformat())
        except OSError as error:
            log.error("old pictures were not deleted", error=str(error))


def names_of(snapshot: StoreSnapshot) -> set[tuple[str, str, str]]:
    """Agent, camera and zone of everything that the store holds; the zone is empty where there is none."""
    places = {(key.agent_id, key.camera_id, key.zone_id) for key in snapshot.tallies}
    places |= {(place.agent_id, place.camera_id, place.zone_id) for place in snapshot.open_incidents}
    return places | {(agent_id, camera_id, "") for agent_id, camera_id in snapshot.camera_states}


def evidence_folder(config: AggregatorConfig) -> EvidenceFolder | None:
    """Where pictures go, if they are taken. Raises ``StartError`` if there can be no such folder."""
    folder = config.evidence_dir
    if folder is None:
        return None
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise StartError(f"cannot keep pictures in {folder}: {there} cannot be written; set another in evidence.dir")
    return EvidenceFolder(folder, config.evidence.max_bytes_per_agent, config.evidence.max_file_bytes)


def open_identity(config: AggregatorConfig) -> Identity | None:
    """What proves who is who; None for plain text, which is for this machine alone. Raises ``StartError``."""
    if config.insecure:
        if not is_loopback(config.listen):
            raise StartError(f"listen: {config.listen} can be reached from other machines: set insecure: false")
        return None
    try:
        return Identity(config, utc_now)
    except IdentityError as error:
        raise StartError(str(error)) from error


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def serve(config: AggregatorConfig, *, migrate: bool = False, ready_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the places again. Raises as ``Service.start`` does."""
    sys.setswitchinterval(SWITCH_S)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    with open_store(config, migrate=migrate) as store:
        service = Service(config, store)
        loop.add_signal_handler(signal.SIGHUP, service.reread_places)
        await service.start()
        gc.freeze()  # what is there now stays: it is not looked through again
        gc.set_threshold(*COLLECT_AFTER)
        try:
            addresses = {"listen": service.address, "metrics": service.metrics_address}
            if service.enrollment_address:
                addresses["enrollment"] = service.enrollment_address
            log.info("serving", **addresses, store=str(config.store), version=__version__)
            if ready_file is not None:
                write_ready_file(ready_file, addresses)
            await stopping.wait()
            log.info("draining")
        finally:
            await service.stop()
            log.info("stopped")


def write_ready_file(path: Path, addresses: dict[str, str]) -> None:
    """Write the addresses as JSON, at once or not at all. Raises ``StartError``."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(addresses | {"pid": os.getpid()}) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StartError(f"{path}: cannot be written: {error.strerror or error}") from error
