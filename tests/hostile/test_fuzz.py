"""Messages that are nearly right cost their sender its stream, and nobody else anything."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from aggregator.records import Batch, Entry, Opened, Opening, Stored
from aggregator.server import _decode
from aggregator.store.store import Store
from tests.hostile.corpus import EPOCH, hello, on_a_stream, questions, uploads
from tests.hostile.fuzzing import Fuzzer
from tests.hostile.mutation import Mutator, fields_of, varint
from tests.hostile.reading import read
from tests.hostile.scale import CHECKED_MESSAGES, LONG, SENT_MESSAGES, TIMEOUT_S
from tests.hostile.victim import Victim, WellBehaved, p99, victim_in

pytestmark = pytest.mark.timeout(TIMEOUT_S)
SEED = 20260512
AGENTS = 4
ROUNDS = 10 if LONG else 4
MAX_GROWTH_MIB = 24.0
"""Between the middle and the end: names within limits.cameras, a journal, and fragments."""


def test_mutations_are_the_same_again_and_reach_inside_of_messages() -> None:
    whole = b"\x0a\x03abc" + b"\x12" + varint(4) + b"\x08\x05\x10\x06"
    first, second = Mutator(1, [whole]), Mutator(1, [whole])
    made = [first.mutated(whole) for _ in range(300)]
    assert made == [second.mutated(whole) for _ in range(300)]
    assert len(set(made)) > 150
    assert sum(fields_of(each) is not None for each in made) > 100


def test_no_mutation_gets_past_the_checks_or_breaks_them_or_the_store(tmp_path: Path) -> None:
    """Whatever the checks let pass is within its bounds, and a real store takes it."""
    mutator = Mutator(SEED, [hello("box-1").SerializeToString(), *on_a_stream(1), *uploads(), *questions()])
    met: Counter[str] = Counter()
    seq = 1
    with Store(make_url(f"sqlite:///{tmp_path}/store.sqlite")) as store:
        store.migrate()
        opened = store.open_stream(Opening("box-1", EPOCH, 1, 2**40, "", "", "", ""))
        assert isinstance(opened, Opened)
        waiting: list[Entry] = []
        for message in islice(cycle([hello("box-1").SerializeToString(), *on_a_stream(1)]), CHECKED_MESSAGES):
            outcome, entries = read(_decode(mutator.mutated(message)).message, seq)
            met[outcome] += 1
            met["event taken"] += sum(entry.body is not None for entry in entries)
            met["event rejected"] += sum(entry.body is None for entry in entries)
            waiting += entries
            seq += len(entries)
            if len(waiting) >= 500:
                store_all(store, opened.fence, waiting)
        store_all(store, opened.fence, waiting)
        kept = store.snapshot().events["box-1"]
    assert (kept.stored, kept.rejected) == (met["event taken"], met["event rejected"])
    print(dict(sorted(met.items())))
    for expected in ("hello read", "hello refused", "heartbeat read", "event taken", "event rejected", "undecodable"):
        assert met[expected] > CHECKED_MESSAGES / 400, f"hardly any message met with: {expected}"


def test_mutated_messages_crash_nothing_leak_nothing_and_slow_nobody(tmp_path: Path) -> None:
    with victim_in(tmp_path / "aggregator") as victim:
        folder = tmp_path / "well"
        folder.mkdir()
        well = WellBehaved(folder, victim)
        try:
            quiet_from = time.monotonic()
            time.sleep(10 if LONG else 2)
            quiet_to = time.monotonic()
            cpu_s = victim.cpu_s()
            outcomes, memory = asyncio.run(fuzz(victim))
            cpu_s = victim.cpu_s() - cpu_s
            fuzzed_to = time.monotonic()
            quiet, fuzzed = well.waits_s(quiet_from, quiet_to), well.waits_s(quiet_to, fuzzed_to)
        finally:
            well.close()
        assert victim.runs
        assert victim.errors() == []
        growth_mib = memory[-1] - memory[len(memory) // 2]
        print(
            f"{outcomes.total()} messages in {fuzzed_to - quiet_to:.0f} s, {cpu_s:.0f} s of its processor time; "
            f"memory {', '.join(f'{each:.0f}' for each in memory)} MiB; "
            f"ack p99 {p99(quiet) * 1e3:.0f} ms before, {p99(fuzzed) * 1e3:.0f} ms meanwhile; "
            f"{dict(sorted(outcomes.items()))}"
        )
        assert outcomes.total() == SENT_MESSAGES
        assert outcomes["stream: taken"] > 0.1 * outcomes.total()
        for expected in ("stream: event rejected", "stream: INVALID_ARGUMENT", "enrol: INVALID_ARGUMENT"):
            assert outcomes[expected], f"no message met with {expected}"
        assert not any(outcome.endswith("UNKNOWN") for outcome in outcomes), (
            "something was raised where nobody expects it"
        )
        assert growth_mib < MAX_GROWTH_MIB
        assert p99(fuzzed) < 10 * p99(quiet) + 0.25


def store_all(store: Store, fence: int, waiting: list[Entry]) -> None:
    """Commit what waits."""
    if waiting:
        (outcome,) = store.commit([Batch("box-1", EPOCH, fence, waiting[0].seq, tuple(waiting))])
        assert isinstance(outcome, Stored)
        waiting.clear()


async def fuzz(victim: Victim) -> tuple[Counter[str], list[float]]:
    names = [f"fuzz-{number}" for number in range(AGENTS)]
    agents = [
        Fuzzer(victim.address, victim.enrollment, victim.signed(name), name, SEED + number)
        for number, name in enumerate(names)
    ]
    memory = [victim.rss_mib()]
    share = SENT_MESSAGES // AGENTS // ROUNDS
    for number in range(ROUNDS):
        count = share if number < ROUNDS - 1 else SENT_MESSAGES // AGENTS - share * (ROUNDS - 1)
        await asyncio.gather(*(agent.send(count) for agent in agents))
        memory.append(victim.rss_mib())
    for agent in agents:
        await agent.close()
    return sum((agent.outcomes for agent in agents), Counter()), memory
