"""Where agents' own metrics are, for Prometheus to find: its HTTP service discovery."""

from __future__ import annotations

import json

from aggregator.overview import Overview

PATH = "/sd/agents"


def agent_targets(seen: Overview) -> bytes:
    """The JSON of the agents that are known and whose address the places file says, sorted by agent.

    The label ``instance`` is the agent's id, so that series go on when a box gets another address. A retired agent, and
    one that is only in the list of addresses, is left out.
    """
    addresses = seen.places.places.agents
    groups = [
        {"targets": [address], "labels": {"instance": agent}}
        for agent, address in sorted(addresses.items())
        if agent in seen.agents
    ]
    return json.dumps(groups).encode()
