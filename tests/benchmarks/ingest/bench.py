"""What the aggregator's ingest costs, beside the bare disk and beside what a user would pick instead, in one run.

    make bench-ingest            5,000 agents, some six minutes
    make bench-ingest AGENTS=500

Everything runs on this machine and on loopback, the load too: the clients take processor time from the server that
they load, as nothing takes it from the bare connection. Rounds take turns, and the median of each contestant counts.
All write to files in the same folder with WAL and synchronous=FULL; the rivals have Clearway's own store and group
commit behind them, and differ in how events travel.

*Bare* is one connection in one process that inserts rows made beforehand, 200 a transaction, each of which waits for
the disk, into one table without indexes but its key; SQLite's own settings otherwise. It receives, decodes, checks and
looks up nothing. The store keeps the same rows with two more indexes and two foreign keys, each incident as it stands
with three, and the sums of the metrics, in larger transactions. What the ratio comes to therefore depends on the disk:
where it says within 0.2 ms that a page is safe, a bare row costs 5 us and no work may be done with an event; where it
takes 3 ms, as common SSDs do, a bare row costs 20.

On a machine that does something else besides, rates say more about the neighbours than about the contestants; processor
seconds then still compare. The last line is one JSON object:

``durable_ratio``    events a second that 50 streams with batches of 200 get acked, as a share of the rate at which a
                     bare SQLite connection with synchronous=FULL takes the same rows, 200 a transaction
``single_ratio``     the same as a multiple of that connection's rate with one row a transaction
``server_cpu_us_per_event``, ``bare_cpu_us_per_event``  processor time of the aggregator, and of the bare connection
``load_cpu_us_per_event``  processor time of the load generator, whose batches are made beforehand
``budget_us``        processor time of an event in each part of the way in, measured alone: ``budget.py``
``sync_ms``          until the disk says that one page is safe
``kib_per_agent``    growth of the aggregator's resident memory by each agent that is connected with mutual TLS
``kib_after_reconnect``  the same after all have connected anew
``cores_at_5000``    processor seconds a second that the aggregator takes for their heartbeats, one each 10 s; scaled to
                     5,000 where fewer are asked for
``ack_p99_ms``       of ten other agents that send one event at a time meanwhile
``connect_cpu_ms``   processor time of the aggregator for each agent that connects anew, its handshake included
``reconnect_5000_s`` until the last of all agents has its Welcome after all hung up and connected again at once
``http_ratio``, ``mqtt_ratio``  the rivals' durable rates as a share of the same bare rate
``load_average``     of the machine before and after: above its processors' number, others were busy too
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bare import bare_rate, sync_ms
from budget import budget
from certificates import write_identities
from contestants import Aggregator, Fleet, http_rate, mqtt_rate, run_json
from events import BATCH

HERE = Path(__file__).parent
BARE_EVENTS = 40_000
SINGLE_EVENTS = 500
STREAMS, BATCHES = 50, 16
WARM_UP_S, STEADY_S = 12.0, 30.0
ROUNDS = 3


def say(text: str) -> None:
    """Progress, for a person."""
    print(text, file=sys.stderr, flush=True)


def durable(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Rates of the bare connection, ours and the rivals', and processor time of an event; medians of rounds in turn."""
    rates: dict[str, list[float]] = {}
    cpu_us: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        inside = folder / f"round-{number}"
        inside.mkdir()
        with Aggregator(inside, secure=False) as aggregator:
            before = aggregator.usage().cpu_s
            said = run_json(
                HERE / "streams_load.py", aggregator.address, "--streams", str(STREAMS), "--batches", str(BATCHES)
            )
            cpu_us.setdefault("clearway", []).append((aggregator.usage().cpu_s - before) * 1e6 / said["events"])
            cpu_us.setdefault("load", []).append(said["cpu_s"] * 1e6 / said["events"])
            rates.setdefault("clearway", []).append(said["events"] / said["took_s"])
        rate, cpu_s = bare_rate(inside, BARE_EVENTS, BATCH)
        rates.setdefault("bare", []).append(rate)
        cpu_us.setdefault("bare", []).append(cpu_s * 1e6)
        rates.setdefault("bare_single", []).append(bare_rate(inside, SINGLE_EVENTS, 1)[0])
        rates.setdefault("http", []).append(http_rate(inside, STREAMS, BATCHES))
        mqtt = mqtt_rate(inside, STREAMS, BATCHES)
        if mqtt is not None:
            rates.setdefault("mqtt", []).append(mqtt)
        say(f"round {number + 1}: " + ", ".join(f"{name} {each[-1]:,.0f}/s" for name, each in rates.items()))
    return _medians(rates), _medians(cpu_us)


def _medians(found: dict[str, list[float]]) -> dict[str, float]:
    return {name: sorted(each)[len(each) // 2] for name, each in found.items()}


def many(folder: Path, agents: int) -> dict[str, float]:
    """What thousands of connected agents cost, and how soon they are back."""
    inside = folder / "fleet"
    inside.mkdir()
    identities = inside / "identities.json"
    names = [f"box-{number:05d}" for number in range(agents)] + [f"light-{number}" for number in range(10)]
    write_identities(inside / "identity", identities, names)
    with Aggregator(inside, secure=True) as aggregator:
        time.sleep(3)
        before = aggregator.usage()
        with Fleet(aggregator.address, identities, agents) as fleet:
            connected = aggregator.usage()
            say(f"{agents} agents connected in {fleet.connected_s:.1f} s")
            time.sleep(WARM_UP_S)
            began = aggregator.usage()
            light = run_json(HERE / "light_load.py", aggregator.address, str(identities), "--seconds", str(STEADY_S))
            ended = aggregator.usage()
            say("light load, ms: " + ", ".join(f"{name} {light[name + '_ms']:.1f}" for name in ("p50", "p99", "max")))
            again_s = fleet.reconnect()
            say(f"all back in {again_s:.1f} s")
            again = aggregator.usage()
    return {
        "kib_per_agent": (ended.rss_kib - before.rss_kib) / agents,
        "kib_after_reconnect": (again.rss_kib - before.rss_kib) / agents,
        "cores_at_5000": (ended.cpu_s - began.cpu_s) / (ended.at_s - began.at_s) * 5000 / agents,
        "ack_p99_ms": light["p99_ms"],
        "connect_cpu_ms": (connected.cpu_s - before.cpu_s) * 1000 / agents,
        "reconnect_5000_s": again_s,
    }


def main(agents: int) -> None:
    """Run everything."""
    with tempfile.TemporaryDirectory(dir=HERE.parents[2] / "build") as temporary:
        folder = Path(temporary)
        load = [os.getloadavg()[0]]
        synced_ms = sync_ms(folder)
        rates, cpu_us = durable(folder)
        said: dict[str, Any] = many(folder, agents)
        load.append(os.getloadavg()[0])
    bare = rates["bare"]
    said |= {
        "durable_ratio": rates["clearway"] / bare,
        "single_ratio": rates["clearway"] / rates["bare_single"],
        "server_cpu_us_per_event": cpu_us["clearway"],
        "bare_cpu_us_per_event": cpu_us["bare"],
        "load_cpu_us_per_event": cpu_us["load"],
        "budget_us": {name: round(each, 2) for name, each in budget(folder).items()},
        "sync_ms": synced_ms,
        "http_ratio": rates["http"] / bare,
        "mqtt_ratio": rates["mqtt"] / bare if "mqtt" in rates else None,
        "events_per_s": {name: round(rate) for name, rate in rates.items()},
        "agents": agents,
        "load_average": load,
    }
    print(json.dumps({name: round(value, 3) if isinstance(value, float) else value for name, value in said.items()}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=5000)
    given = parser.parse_args()
    (HERE.parents[2] / "build").mkdir(exist_ok=True)
    main(given.agents)
