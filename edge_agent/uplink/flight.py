"""The events that are on the way to the aggregator."""

from __future__ import annotations

from collections import deque

from edge_agent.outbox.queue_batch import Batch


class ProtocolError(Exception):
    """The aggregator said what it must not say; nothing of it is believed."""


class Flight:
    """What one stream has sent and what of it was acked: pure bookkeeping.

    ``window`` bounds the events on the way. Times are seconds of a monotonic clock.
    """

    def __init__(self, sent_through: int, window: int) -> None:
        self.sent_through = sent_through
        self.acked_through = sent_through
        self.window = window
        self._batches: deque[tuple[int, float]] = deque()

    @property
    def on_the_way(self) -> int:
        """Events that were sent and not acked."""
        return self.sent_through - self.acked_through

    @property
    def room(self) -> int:
        """Events that may be sent now."""
        return max(0, self.window - self.on_the_way)

    @property
    def waiting_since_s(self) -> float | None:
        """When the oldest batch without an ack was sent; None if there is none."""
        return self._batches[0][1] if self._batches else None

    def sent(self, batch: Batch, now_s: float) -> None:
        """A batch was sent. Raises ``ValueError`` if it does not follow the one before."""
        if batch.first_seq != self.sent_through + 1:
            raise ValueError(f"a batch from {batch.first_seq} does not follow {self.sent_through}")
        self.sent_through = batch.last_seq
        self._batches.append((batch.last_seq, now_s))

    def acked(self, through_seq: int, now_s: float) -> list[float]:
        """An ack came; the seconds that each batch it completes has waited. An old ack changes nothing.

        Raises ``ProtocolError`` if it covers what was never sent.
        """
        if through_seq > self.sent_through:
            raise ProtocolError(f"it acked event {through_seq}, but the last that was sent is {self.sent_through}")
        waits = []
        while self._batches and self._batches[0][0] <= through_seq:
            waits.append(now_s - self._batches.popleft()[1])
        self.acked_through = max(self.acked_through, through_seq)
        return waits
