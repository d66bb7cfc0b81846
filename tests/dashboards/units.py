"""Values in words, as Grafana's units have them: those that the dashboards use."""

from __future__ import annotations

import time

DIVISIONS_S = ((1.0, "s"), (60.0, "min"), (3600.0, "hour"), (86400.0, "day"), (31536000.0, "year"))


def said(value: float, unit: str | None, decimals: int | None = None) -> str:
    """A value with its unit. Raises ``KeyError`` for a unit that is not known here."""
    if unit == "percentunit":
        return f"{_short(100 * value, decimals)}%"
    if unit == "s":
        return _seconds(value, decimals)
    if unit == "m":
        return _seconds(value * 60, decimals)
    if unit == "dateTimeFromNow":
        return f"{_seconds(time.time() - value / 1000, 0)} ago"
    if unit in ("bytes", "Bps"):
        return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB"), decimals) + ("/s" if unit == "Bps" else "")
    suffix = {"short": "", "none": "", None: "", "lengthm": " m", "cps": " c/s"}[unit]
    return _scaled(value, 1000, ("", "K", "Mil", "Bil"), decimals).strip() + suffix


def _short(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _seconds(value: float, decimals: int | None) -> str:
    if abs(value) < 1 and value:
        return f"{_short(value * 1000, decimals)} ms"
    size, name = max((each for each in DIVISIONS_S if abs(value) >= each[0]), default=DIVISIONS_S[0])
    return f"{_short(value / size, decimals)} {name}"


def _scaled(value: float, base: int, names: tuple[str, ...], decimals: int | None) -> str:
    place = 0
    while abs(value) >= base and place < len(names) - 1:
        value, place = value / base, place + 1
    return f"{_short(value, decimals)} {names[place]}"
