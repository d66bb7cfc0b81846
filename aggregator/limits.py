"""What each agent may still ask for: rates that are counted for it whatever streams it opens."""

from __future__ import annotations

from collections.abc import Callable

from aggregator.config import LimitsConfig

MAX_STREAMS = 4
"""Streams of one agent at one time: the one that is served, one that takes over, and two that are ending."""
MAX_UPLOADS = 8
"""Pictures of one agent at one time: it sends one, and those whose connections died may not be missed yet."""
CALL_BYTES = 4096
"""What a call about a picture costs beside its bytes: it looks at files."""
RENEWALS, RENEWALS_PER_HOUR = 30, 2
"""Certificates at once, and after that: an agent asks once in a fortnight. Each is remembered until it ends."""
AHEAD_S = 1.0
"""A pause lasts until the agent may send for so long again, so that it is not told to pause after each batch."""
_FORGET_ABOVE = 1024
"""Agents whose buckets are full are forgotten, looked for when there are so many more than after the last look."""


class TooFastError(Exception):
    """An agent was asked to pause, and sends on."""


class Bucket:
    """A token bucket that may be overdrawn: what came is paid for by waiting. ``clock`` gives growing seconds."""

    __slots__ = ("_at_s", "_clock", "_left", "_most", "_per_s")

    def __init__(self, per_s: float, most: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._most = most
        self._clock = clock
        self._left = most
        self._at_s = clock()

    def take(self, amount: float) -> float:
        """Take tokens; the seconds until none are owed."""
        self._refill()
        self._left -= amount
        return max(0.0, -self._left / self._per_s)

    def take_if_there(self, amount: float) -> bool:
        """Take tokens if there are so many."""
        self._refill()
        if self._left < amount:
            return False
        self._left -= amount
        return True

    @property
    def full(self) -> bool:
        """True if nothing has been taken that was not given back by time."""
        self._refill()
        return self._left >= self._most

    def _refill(self) -> None:
        now_s = self._clock()
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s


class Allowance:
    """One agent's."""

    __slots__ = ("_bytes", "_events", "_evidence", "_renewals", "_streams", "streams", "uploads")

    def __init__(self, limits: LimitsConfig, clock: Callable[[], float]) -> None:
        self._events = Bucket(limits.events_per_s, limits.events_per_s * limits.burst_s, clock)
        self._bytes = Bucket(limits.bytes_per_s, limits.bytes_per_s * limits.burst_s, clock)
        self._streams = Bucket(limits.streams_per_minute / 60, limits.streams_per_minute, clock)
        evidence_per_s = limits.evidence_bytes_per_s
        self._evidence = Bucket(evidence_per_s, evidence_per_s, clock)
        self._renewals = Bucket(RENEWALS_PER_HOUR / 3600, RENEWALS, clock)
        self.streams = 0
        self.uploads = 0

    def may_open(self) -> bool:
        """True, and one less, if the agent may open another stream now."""
        return self.streams < MAX_STREAMS and self._streams.take_if_there(1)

    def may_renew(self) -> bool:
        """True, and one less, if the agent may have another certificate now."""
        return self._renewals.take_if_there(1)

    def message(self, events: int, size_bytes: int) -> float:
        """A message came: the seconds for which the agent should pause, 0 if it may go on."""
        owed_s = max(self._events.take(max(1, events)), self._bytes.take(size_bytes))
        return owed_s + AHEAD_S if owed_s > 0 else 0.0

    def picture(self, size_bytes: int) -> float:
        """Bytes of a picture came, or a call about one: the seconds to wait before more are read."""
        return self._evidence.take(size_bytes)

    @property
    def idle(self) -> bool:
        """True if there is nothing to remember."""
        buckets = (self._events, self._bytes, self._streams, self._evidence, self._renewals)
        return not self.streams and not self.uploads and all(bucket.full for bucket in buckets)


class Pacer:
    """Asks one stream's agent to pause when it is too fast, and sees whether it does.

    What may still come meanwhile was on its way: ``window`` events, heartbeats and ``window_bytes``, and as much again
    for what this side has not seen.
    """

    __slots__ = ("_allowance", "_bytes", "_clock", "_messages", "_most", "_until_s")

    def __init__(self, allowance: Allowance, window: int, window_bytes: int, clock: Callable[[], float]) -> None:
        self._allowance = allowance
        self._most = (2 * window, 2 * window_bytes)
        self._clock = clock
        self._until_s = float("-inf")
        self._messages = self._bytes = 0

    def took(self, events: int, size_bytes: int) -> float:
        """A message came: seconds for which to ask the agent to pause, 0 if it need not be asked.

        Raises ``TooFastError`` if it was asked and goes on.
        """
        owed_s = self._allowance.message(events, size_bytes)
        now_s = self._clock()
        if now_s >= self._until_s:
            if owed_s:
                self._until_s = now_s + owed_s
                self._messages, self._bytes = self._most
            return owed_s
        self._messages -= max(1, events)
        self._bytes -= size_bytes
        if self._messages < 0 or self._bytes < 0:
            raise TooFastError
        return 0.0


class Limits:
    """Every agent's allowance. Used from the event loop alone."""

    def __init__(self, limits: LimitsConfig, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._agents: dict[str, Allowance] = {}
        self._look_at = _FORGET_ABOVE

    def of(self, agent_id: str) -> Allowance:
        """An agent's allowance; the same for all its streams."""
        found = self._agents.get(agent_id)
        if found is None:
            self._forget_idle()
            found = self._agents[agent_id] = Allowance(self._limits, self._clock)
        return found

    def __len__(self) -> int:
        return len(self._agents)

    def _forget_idle(self) -> None:
        if len(self._agents) < self._look_at:
            return
        self._agents = {name: each for name, each in self._agents.items() if not each.idle}
        self._look_at = len(self._agents) + _FORGET_ABOVE
