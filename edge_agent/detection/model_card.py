"""Model cards: what a detector expects, gives and may be used for, in YAML beside its ONNX file."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, field_validator, model_validator
from pydantic.dataclasses import dataclass

from edge_agent.config_file import ConfigError, ConfigFile
from edge_agent.detection.class_groups import COCO80, COCO_GROUPS
from edge_agent.detection.decoders import known_families
from edge_agent.detection.detections import ClassGroup

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

Share = Annotated[float, Field(gt=0, lt=1)]
Pixels = Annotated[int, Field(ge=32, le=4096)]
Triple = tuple[float, float, float]


class ModelError(Exception):
    """A model or card that cannot be used; the message names it and says what to do."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class InputSpec:
    """How a picture becomes the model's input: resized, its channels put in order, ``(value - mean) / std``.

    ``resize``: ``stretch`` to the input size, or ``letterbox_top_left``: keep the proportions, put the picture at the
    top left and fill the rest with ``pad``. ``trim_to`` is for models whose graph takes any size: the rest is only
    filled up to the next multiple of it, so that a wide picture costs less. ``interpolation``: how resizing computes a
    pixel. ``mean`` and ``std`` are on the scale 0-255, in the channel order of ``colour``.
    """

    name: str
    width: Pixels
    height: Pixels
    colour: Literal["bgr", "rgb"] = "bgr"
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    resize: Literal["stretch", "letterbox_top_left"] = "stretch"
    interpolation: Literal["linear", "area"] = "linear"
    pad: Annotated[float, Field(ge=0, le=255)] = 114.0
    trim_to: Annotated[int, Field(ge=8, le=128)] | None = None

    @field_validator("std")
    @classmethod
    def _positive(cls, std: Triple) -> Triple:
        if min(std) <= 0:
            raise ValueError(f"every std must be greater than 0, they are {list(std)}")
        return std

    @model_validator(mode="after")
    def _trimmed(self) -> InputSpec:
        if self.trim_to is not None and (self.width % self.trim_to or self.height % self.trim_to):
            raise ValueError(f"width and height must be multiples of trim_to ({self.trim_to})")
        if self.trim_to is not None and self.resize == "stretch":
            raise ValueError("trim_to needs resize: letterbox_top_left, a stretched picture leaves no rest to trim")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    def scale_for(self, width: int, height: int) -> tuple[float, float]:
        """By how much a picture of this size is resized, across and down."""
        across, down = self.width / width, self.height / height
        return (across, down) if self.resize == "stretch" else (min(across, down), min(across, down))

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the input that a picture of this size gives."""
        if self.trim_to is None:
            return self.size
        across, down = self.scale_for(width, height)
        return _up_to(width * across, self.trim_to), _up_to(height * down, self.trim_to)


def _up_to(length: float, step: int) -> int:
    """The multiple of ``step`` that holds ``length``, whole pixels, at least one step."""
    return max(1, -(-int(length) // step)) * step


@dataclass(frozen=True, slots=True, config=_STRICT)
class ExtraInput:
    """An input besides the picture. ``input_size``: int64 [[width, height]] of the model's own input."""

    name: str
    value: Literal["input_size"]


@dataclass(frozen=True, slots=True, config=_STRICT)
class OutputSpec:
    """An output by name and shape; -1 stands for a length that the graph leaves open."""

    name: str
    shape: tuple[Annotated[int, Field(ge=-1)], ...]


def _class_names(value: Any) -> Any:
    return COCO80 if value == "coco80" else value


def _groups(value: Any) -> Any:
    return COCO_GROUPS if value == "coco80" else value


@dataclass(frozen=True, slots=True, config=_STRICT)
class ModelCard:
    """One detector.

    ``outputs`` are listed in the order in which the family's decoder takes them. ``boxes`` is the unit of decoded
    boxes. ``score_threshold``: a detection of this score counts alone; ``memory_score``: the lowest score that scene
    memory may use. ``nms_iou`` 1.0 means that the model needs no suppression. ``ap`` is AP on COCO as ``ap_source``
    gives it. ``card_path`` and ``model_path`` say where card and file were found; ``model_path`` is None while the
    file is absent.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$")]
    family: str
    input: InputSpec
    outputs: Annotated[tuple[OutputSpec, ...], Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    licence: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    score_threshold: Share
    nms_iou: Annotated[float, Field(gt=0, le=1)]
    classes: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_class_names)] = COCO80
    groups: Annotated[dict[ClassGroup, tuple[str, ...]], BeforeValidator(_groups)] = Field(
        default_factory=lambda: dict(COCO_GROUPS)
    )
    memory_score: Share = 0.15
    boxes: Literal["input_px", "normalised"] = "input_px"
    extra_inputs: tuple[ExtraInput, ...] = ()
    ap: float | None = None
    ap_source: str = ""
    size_bytes: Annotated[int, Field(gt=0)] | None = None
    url: Annotated[str, Field(pattern=r"^(https?|file)://\S+$")] | None = None
    notes: str = ""
    card_path: Path = Path()
    model_path: Path | None = None

    @field_validator("family")
    @classmethod
    def _family(cls, family: str) -> str:
        if family not in known_families():
            raise ValueError(f"unknown family {family!r}: use one of {', '.join(known_families())}")
        return family

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class name stands twice in classes")
        grouped = [name for names in self.groups.values() for name in names]
        for name in grouped:
            if name not in self.classes:
                raise ValueError(f"groups names {name!r}, which is not one of the classes")
            if grouped.count(name) > 1:
                raise ValueError(f"class {name!r} stands in groups more than once")
        if not grouped:
            raise ValueError("no class has a group: nothing would ever be detected")
        if self.extra_inputs and self.input.trim_to is not None:
            raise ValueError("input.trim_to cannot be used together with extra_inputs")
        if self.memory_score > self.score_threshold:
            raise ValueError(
                f"memory_score ({self.memory_score}) must not be above score_threshold ({self.score_threshold})"
            )
        return self

    def group_of(self, class_id: int) -> ClassGroup | None:
        """The group of a class by its place in ``classes``, or None if it has none."""
        if not 0 <= class_id < len(self.classes):
            return None
        name = self.classes[class_id]
        return next((group for group, names in self.groups.items() if name in names), None)


_CARD_FIELD = re.compile(rb"^(family|sha256)\s*:", re.MULTILINE)
_CARD: TypeAdapter[ModelCard] = TypeAdapter(ModelCard)


def bundled_dir() -> Path:
    """The folder of the cards that come with Clearway: the wheel's own, or ``models/`` of a checkout."""
    wheel = Path(__file__).resolve().parent.parent / "bundled_models"
    return wheel if wheel.is_dir() else wheel.parent.parent / "models"


def user_dir() -> Path:
    """Where ``models pull`` puts models when no folder is named: ``$XDG_DATA_HOME/clearway/models``."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "clearway" / "models"


def read_card(path: Path, models_dir: Path | None = None) -> ModelCard:
    """Read one card and find its file. Raises ``ModelError`` with every problem, each with file, line and field."""
    try:
        file = ConfigFile.read(path)
        given = sorted({"card_path", "model_path"} & file.data.keys())
        if given:
            raise ConfigError([file.problem((given[0],), "is not a field of a card")])
        card = file.validate(_CARD, {**file.data, "card_path": path})
        if card.name != path.stem:
            raise ConfigError([file.problem(("name",), f"{card.name!r} must be the card's file name, {path.stem!r}")])
    except ConfigError as error:
        raise ModelError(str(error)) from error
    return replace(card, model_path=_find_file(card, models_dir))


def find_card(name_or_path: str, models_dir: Path | None = None) -> ModelCard:
    """The card of a name, or of a path that ends in ``.yaml``.

    Looks in ``models_dir`` and the folders in it, then in the user's folder, then among the bundled ones; so does
    the search for the model's file, beside the card first. Raises ``ModelError``.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        return read_card(Path(name_or_path).expanduser(), models_dir)
    if name_or_path.endswith(".onnx") or "/" in name_or_path:
        raise ModelError(
            f"model {name_or_path!r}: give the name of a model card, or the path of one, NAME.yaml beside the ONNX file"
        )
    _refuse_missing(models_dir)
    paths = card_paths(models_dir)
    if name_or_path not in paths:
        raise ModelError(f"model {name_or_path!r} is not known: there are {', '.join(paths) or 'no cards at all'}")
    return read_card(paths[name_or_path], models_dir)


def card_paths(models_dir: Path | None = None) -> dict[str, Path]:
    """Every card there is, by name, sorted; a card in ``models_dir`` hides a bundled one of the same name."""
    found: dict[str, Path] = {}
    for folder in _folders(models_dir):
        for path in sorted(folder.rglob("*.yaml")):
            if path.stem not in found and _looks_like_a_card(path):
                found[path.stem] = path
    return dict(sorted(found.items()))


def _looks_like_a_card(path: Path) -> bool:
    """True for a YAML file that names a family or a hash: other YAML may lie beside models."""
    try:
        return _CARD_FIELD.search(path.read_bytes()) is not None
    except OSError:
        return True  # the name is a card's: that it cannot be read is said when it is asked for


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matching_files(card: ModelCard, folder: Path) -> Iterator[Path]:
    """Files under ``folder`` that have the card's file name, those with its hash first."""
    named = sorted(path for path in folder.rglob(card.file) if path.is_file())
    yield from sorted(named, key=lambda path: file_sha256(path) != card.sha256 if len(named) > 1 else False)


def _find_file(card: ModelCard, models_dir: Path | None) -> Path | None:
    beside = card.card_path.parent / card.file
    if beside.is_file():
        return beside
    return next((path for folder in _folders(models_dir) for path in matching_files(card, folder)), None)


def _folders(models_dir: Path | None) -> Iterator[Path]:
    for folder in (models_dir, user_dir(), bundled_dir()):
        if folder is not None and folder.is_dir():
            yield folder


def _refuse_missing(models_dir: Path | None) -> None:
    if models_dir is not None and not models_dir.is_dir():
        raise ModelError(f"models_dir {models_dir} is not a folder: create it, or correct the path")
