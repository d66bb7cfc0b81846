"""A suite: recordings with the camera section each is to be judged by and the truth it is scored against."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from edge_agent.config import CameraConfig, PassageZone, SiteConfig, load_camera
from edge_agent.config_file import ConfigError, ConfigFile, Where
from edge_agent.evaluation.expected import is_measured
from edge_agent.evaluation.perturb import PERTURBATIONS
from edge_agent.evaluation.truth import Truth, load_truth

_SUITE_FIELDS = ("clips", "model", "models_dir", "site", "skip_missing", "perturb")
_CLIP_FIELDS = ("name", "source", "camera", "truth")
_NOTES = ("note", "notes", "description", "tags", "licence", "license", "title", "version")
"""What an author may write for people, at either level; fields that start with ``x-`` hold anchors for YAML."""

_SITE: TypeAdapter[SiteConfig] = TypeAdapter(SiteConfig)


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of a suite. ``missing`` says why it cannot be played here; then there is no truth."""

    name: str
    camera: CameraConfig
    truth: Truth
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """Clips in the order of the file. Without ``skip_missing`` an evaluation that had to skip one has failed."""

    path: Path
    clips: tuple[Clip, ...]
    site: SiteConfig
    model: str | None = None
    models_dir: Path | None = None
    skip_missing: bool = False
    perturb: tuple[str, ...] = ()

    def choose(self, names: tuple[str, ...]) -> tuple[Clip, ...]:
        """The clips with these names, or all. Raises ``ConfigError`` that lists the ones there are."""
        known = {clip.name for clip in self.clips}
        unknown = [name for name in names if name not in known]
        if unknown:
            there_are = ", ".join(clip.name for clip in self.clips)
            raise ConfigError([f"{self.path}: no clip {name!r}; there are: {there_are}" for name in unknown])
        return tuple(clip for clip in self.clips if not names or clip.name in names)


def load_suite(path: Path) -> Suite:
    """Read a suite and its truth files. Paths in it are taken from its own folder.

    Raises ``ConfigError``, which lists everything that is wrong in one go.
    """
    file = ConfigFile.read(path)
    problems = _unknown(file, file.data, (), _SUITE_FIELDS)
    sections = file.data.get("clips")
    if not isinstance(sections, list) or not sections:
        raise ConfigError([*problems, file.problem(("clips",), "must list at least one clip")])
    clips: list[Clip] = []
    for number, section in enumerate(sections):
        try:
            clips.append(_clip(file, section, ("clips", number)))
        except ConfigError as error:
            problems.extend(error.problems)
    for name, times in Counter(clip.name for clip in clips).items():
        if times > 1:
            problems.append(file.problem(("clips",), f"clip name {name!r} is used {times} times: names must be unique"))
    site = SiteConfig()
    try:
        site = file.validate(_SITE, file.data.get("site") or {}, ("site",))
    except ConfigError as error:
        problems.extend(error.problems)
    model = _read(file, file.data, (), "model", str, problems)
    models_dir = _read(file, file.data, (), "models_dir", str, problems)
    skip_missing = _read(file, file.data, (), "skip_missing", bool, problems)
    perturb = _perturbations(file, problems)
    if problems:
        raise ConfigError(problems)
    return Suite(
        path=path,
        clips=tuple(clips),
        site=site,
        model=model,
        models_dir=_beside(path, models_dir) if models_dir else None,
        skip_missing=bool(skip_missing),
        perturb=perturb,
    )


def _clip(file: ConfigFile, section: Any, at: Where) -> Clip:
    if not isinstance(section, dict):
        raise ConfigError([file.problem(at, "must be a mapping of name, source, camera and truth")])
    problems = _unknown(file, section, at, _CLIP_FIELDS)
    camera_section = section.get("camera")
    if not isinstance(camera_section, dict):
        raise ConfigError([*problems, file.problem((*at, "camera"), "must be a camera section: a mapping with zones")])
    given = _read(file, section, at, "source", str, problems) or _read(
        file, camera_section, (*at, "camera"), "source", str, problems
    )
    if not given:
        raise ConfigError([*problems, file.problem((*at, "source"), "is missing: name a video or a folder of stills")])
    source = _beside(file.path, given)
    name = str(section["name"]) if section.get("name") not in (None, "") else source.stem
    camera_section = {"id": _identifier(name), **camera_section, "source": str(source)}
    try:
        camera = load_camera(file, camera_section, (*at, "camera"), file.path.parent)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error
    missing = None if source.exists() else f"{source} is not here"
    truth_given = _read(file, section, at, "truth", str, problems)
    truth_path = _beside(file.path, truth_given) if truth_given else source.with_name(f"{source.stem}.truth.json")
    truth = Truth()
    if missing is None and not truth_path.exists():
        problems.append(file.problem((*at, "truth"), f"{truth_path} is not here: a clip needs a truth file"))
    elif missing is None:
        try:
            truth = load_truth(truth_path)
        except ConfigError as error:
            problems.extend(error.problems)
        problems.extend(_unmeasured(file, camera, truth, at))
    if problems:
        raise ConfigError(problems)
    return Clip(name, camera, truth, missing)


def _unmeasured(file: ConfigFile, camera: CameraConfig, truth: Truth, at: Where) -> list[str]:
    passages = [zone for zone in camera.zones if isinstance(zone, PassageZone)]
    measured = bool(truth.clear_width or truth.blocked)
    if not measured or not passages or any(is_measured(zone, camera, truth) for zone in passages):
        return []
    return [
        file.problem(
            (*at, "camera", "zones"),
            f"has {len(passages)} passages, and the truth holds one clear width: let passage.id in it name the zone",
        )
    ]


def _perturbations(file: ConfigFile, problems: list[str]) -> tuple[str, ...]:
    given = file.data.get("perturb") or []
    names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else (given,)
    for number, name in enumerate(names):
        if name not in PERTURBATIONS:
            message = f"{name!r} is not known; there are: {', '.join(PERTURBATIONS)}"
            problems.append(file.problem(("perturb", number), message))
    return tuple(str(name) for name in names)


def _read(file: ConfigFile, section: dict[str, Any], at: Where, key: str, kind: type, problems: list[str]) -> Any:
    value = section.get(key)
    if value is None or isinstance(value, kind):
        return value
    wanted = "true or false" if kind is bool else "text"
    problems.append(file.problem((*at, key), f"must be {wanted} (it is {value!r})"))
    return None


def _unknown(file: ConfigFile, section: dict[str, Any], at: Where, known: tuple[str, ...]) -> list[str]:
    return [
        file.problem((*at, str(key)), f"is not a field that is known here: use {', '.join(known)}")
        for key in section
        if str(key) not in (*known, *_NOTES) and not str(key).startswith(("x-", "_"))
    ]


def _identifier(name: str) -> str:
    """A camera id made of a clip's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "camera"


def _beside(path: Path, given: str) -> Path:
    return (path.parent / Path(given).expanduser()).resolve()
