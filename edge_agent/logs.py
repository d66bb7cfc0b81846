"""What the agent says while it runs: for a person on a terminal, one JSON object a line otherwise; always to stderr."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from edge_agent.redaction import redacted as redact


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _redact_value(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redact_value(each) for each in value]
    if isinstance(value, (int, float, bool, type(None))):
        return value
    return redact(str(value))


def _redact_event(_: Any, __: str, event: EventDict) -> EventDict:
    return {key: _redact_value(value) for key, value in event.items()}


def _say_thread_death(arguments: threading.ExceptHookArgs) -> None:
    error = arguments.exc_value
    if error is None or isinstance(error, SystemExit):
        return
    name = arguments.thread.name if arguments.thread is not None else "?"
    structlog.get_logger(__name__).error("thread_died", thread=name, exc_info=error)


def configure_logs(level: str = "info", stream: TextIO | None = None) -> None:
    """Set logging up for the whole process, libraries included. May be called again.

    ``level`` is debug, info, warning or error. Without ``stream`` it goes to stderr. An exception that ends a thread
    is logged too. Raises ``ValueError`` for a level that is not known.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"log level {level!r} is not known: use debug, info, warning or error")
    out = sys.stderr if stream is None else stream
    for_a_person = out.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if for_a_person else "iso", utc=not for_a_person),
    ]
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _redact_event,
        structlog.dev.ConsoleRenderer() if for_a_person else structlog.processors.JSONRenderer(sort_keys=False),
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(number)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    threading.excepthook = _say_thread_death
