"""What the queue cannot do."""

from __future__ import annotations


class OutboxError(Exception):
    """The queue cannot be opened; the message says why and what to do."""


class DoesNotFitError(Exception):
    """What is to be written does not fit into the quota; ``hopeless`` if dropping more would not help."""

    def __init__(self, hopeless: bool) -> None:
        super().__init__()
        self.hopeless = hopeless
