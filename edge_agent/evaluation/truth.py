"""What really happened in a recording, as a person or a renderer wrote it down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasPath,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from edge_agent.config_file import ConfigError, ConfigFile, Where
from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.stay import Box

STAY = "stay"
"""The kind of an event in which something stands still of its own will; every other kind must never be an incident."""

_OPEN = ConfigDict(extra="ignore", allow_inf_nan=False, validate_by_name=True, validate_by_alias=True)
"""Who writes truth may note more than is scored."""

_GROUP_OF_CLASS = {
    **dict.fromkeys(("car", "van", "truck", "bus", "lorry", "taxi", "police", "ups"), ClassGroup.VEHICLE),
    **dict.fromkeys(("bicycle", "motorcycle", "motorbike", "scooter", "e-bike", "moped"), ClassGroup.CYCLE),
    **dict.fromkeys(("person", "pedestrian"), ClassGroup.PERSON),
}

Between = tuple[float, float]
"""Earliest and latest second at which something that nobody saw can have happened."""


def _box(box: Box) -> Box:
    if box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError(f"{list(box)} is not a box: write left, top, right, bottom in pixels")
    return box


def _between(value: Between) -> Between:
    if value[1] < value[0]:
        raise ValueError(f"{list(value)} runs backwards: write the earlier second first")
    return value


Second = Annotated[float, Field(ge=0)]
Interval = Annotated[Between, AfterValidator(_between)]


HIDDEN_BELOW = 0.5
"""A thing of which less than this share is in sight is hidden: nobody could measure it."""


@dataclass(frozen=True, slots=True, config=_OPEN)
class Occlusion:
    """A stretch in which others stood before a thing; ``min_visible`` is the least share of it that was in sight."""

    from_s: Second
    to_s: Second
    min_visible: Annotated[float, Field(ge=0, le=1)] = 0.0


@dataclass(frozen=True, slots=True, config=_OPEN)
class TruthEvent:
    """Something that stood still from ``from_s`` to ``to_s`` with its box in pixels of the full frame.

    ``kind`` is ``stay`` for what stands there of its own will; ``pause``, and every other kind, must never be an
    incident. ``arrived_between_s`` and ``left_between_s`` bound an arrival or a departure that nobody saw: the stay may
    have begun before ``from_s``, or lasted beyond ``to_s``, within them. ``group`` may be left out for a class that
    is known here.
    """

    id: Annotated[str, BeforeValidator(str), Field(min_length=1)]
    kind: str
    from_s: Second
    to_s: Second
    box: Annotated[Box, AfterValidator(_box)]
    class_name: str = Field(default="", validation_alias="class")
    group: ClassGroup = ClassGroup.OBJECT
    open_start: bool = False
    open_end: bool = False
    arrived_between_s: Interval | None = None
    left_between_s: Interval | None = None
    occlusions: tuple[Occlusion, ...] = ()
    note: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _group_from_class(cls, data: Any) -> Any:
        fields = getattr(data, "kwargs", data)
        if isinstance(fields, dict) and fields.get("group") is None:
            name = str(fields.get("class", fields.get("class_name", ""))).lower()
            if name in _GROUP_OF_CLASS:
                fields = {**fields, "group": _GROUP_OF_CLASS[name]}
            elif name:
                fields = {**fields, "group": ClassGroup.OBJECT}
            else:
                raise ValueError("needs a group (vehicle, cycle, person, object) or a class")
        return fields

    @model_validator(mode="after")
    def _ordered(self) -> TruthEvent:
        if self.to_s < self.from_s:
            raise ValueError(f"ends ({self.to_s} s) before it begins ({self.from_s} s)")
        return self

    @property
    def is_stay(self) -> bool:
        """True if it can be an expected incident."""
        return self.kind == STAY


@dataclass(frozen=True, slots=True, config=_OPEN)
class WidthPoint:
    """The true clear width of a passage at one second, metres; people and things being carried left out."""

    t_s: Second
    width_m: Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True, config=_OPEN)
class Span:
    """From and to, seconds of media time."""

    from_s: Second
    to_s: Second

    @model_validator(mode="after")
    def _ordered(self) -> Span:
        if self.to_s < self.from_s:
            raise ValueError(f"ends ({self.to_s} s) before it begins ({self.from_s} s)")
        return self


@dataclass(frozen=True, slots=True, config=_OPEN)
class Truth:
    """The truth of one recording.

    ``clear_width`` is one passage's width in order of time. ``blocked`` maps a width in metres to the spans in which
    the passage was narrower than it; ``crowded`` holds the spans in which standing people filled it. ``passage_id``
    names the zone that all three are about, where a camera has several passages.
    """

    events: tuple[TruthEvent, ...] = ()
    clear_width: tuple[WidthPoint, ...] = ()
    blocked: dict[float, tuple[Span, ...]] = Field(default_factory=dict)
    crowded: tuple[Span, ...] = ()
    duration_s: float | None = None
    passage_id: str | None = Field(default=None, validation_alias=AliasPath("passage", "id"))

    @model_validator(mode="after")
    def _consistent(self) -> Truth:
        ids = [event.id for event in self.events]
        for name in sorted(set(ids)):
            if ids.count(name) > 1:
                raise ValueError(f"event id {name!r} is used {ids.count(name)} times: ids must be unique")
        times = [point.t_s for point in self.clear_width]
        if times != sorted(times):
            raise ValueError("clear_width must be in order of t_s")
        return self

    def hidden_spans(self) -> tuple[Span, ...]:
        """When one of the things in the truth was mostly hidden."""
        return tuple(
            Span(from_s=hidden.from_s, to_s=max(hidden.from_s, hidden.to_s))
            for event in self.events
            for hidden in event.occlusions
            if hidden.min_visible < HIDDEN_BELOW
        )

    def spans_below(self, width_m: float) -> tuple[Span, ...]:
        """When the passage was narrower than ``width_m``: as written down for that width, else from its samples.

        A sample holds until the next one.
        """
        if width_m in self.blocked:
            return self.blocked[width_m]
        spans: list[Span] = []
        start: float | None = None
        for point in self.clear_width:
            if point.width_m < width_m and start is None:
                start = point.t_s
            elif point.width_m >= width_m and start is not None:
                spans.append(Span(from_s=start, to_s=point.t_s))
                start = None
        if start is not None:
            spans.append(Span(from_s=start, to_s=max(self.duration_s or 0.0, self.clear_width[-1].t_s)))
        return tuple(spans)


_TRUTH: TypeAdapter[Truth] = TypeAdapter(Truth)


def load_truth(path: Path) -> Truth:
    """Read a truth file (JSON). Raises ``ConfigError`` that names file, line and field of everything wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text (byte {error.start})"]) from error
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise ConfigError([f"{path}:{line}: not valid JSON: {error}"]) from error
    if not isinstance(data, dict) or not {"events", "clear_width", "blocked"} & data.keys():
        raise ConfigError([f"{path}:1: no truth file: it must hold an object with events, clear_width or both"])
    try:
        return _TRUTH.validate_python(data)
    except ValidationError:
        return ConfigFile(path, text, data, _lines(path)).validate(_TRUTH, data)


def _lines(path: Path) -> dict[Where, int]:
    """The line of each value: JSON is YAML, whose reader knows lines. Only needed once something is wrong."""
    try:
        return ConfigFile.read(path).lines
    except ConfigError:
        return {}  # a JSON file that a YAML reader cannot take: errors name the field alone
