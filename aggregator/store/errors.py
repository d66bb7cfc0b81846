"""What can go wrong with a store, told apart by what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
)

_FULL_WORDS = ("disk is full", "no space left", "could not extend file")


class StoreError(Exception):
    """The store cannot be used; the message says why and what to do."""


class StoreUnavailableError(StoreError):
    """It cannot be used now; trying again later may help."""


class StoreFullError(StoreUnavailableError):
    """Its disk is full."""


class UnstorableError(StoreError):
    """A value can never be stored, though it passed every check."""


@contextmanager
def told_apart() -> Iterator[None]:
    """Raise the database's errors as a ``StoreError``."""
    try:
        yield
    except DataError as error:
        raise UnstorableError(str(error.orig)) from error
    except (IntegrityError, NotSupportedError, ProgrammingError) as error:
        raise StoreError(_first_line(str(error.orig))) from error
    except SQLAlchemyError as error:
        cause = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        kind = StoreFullError if any(word in cause.lower() for word in _FULL_WORDS) else StoreUnavailableError
        raise kind(_first_line(cause) or type(error).__name__) from error


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")
