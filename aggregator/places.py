"""Where cameras stand: the city's own hierarchy, ``city / district / street / cell``, and coordinates.

Agents send their cameras' ids alone; this file, the aggregator's, says the rest: also where agents' own metrics are
served, if they can be reached.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from aggregator.config_file import ConfigFile, Where
from aggregator.store.tallies import NOWHERE, UNPLACED, StreetKey

LEVELS = ("city", "district", "street", "cell")
MAX_NAME = 128
MAX_PORT = 65535

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one camera stands, by codes; ``cell`` is empty if it is not said. Coordinates are WGS 84, degrees."""

    city: str
    district: str
    street: str
    cell: str = ""
    latitude: float | None = None
    longitude: float | None = None

    @property
    def key(self) -> StreetKey:
        """The street."""
        return StreetKey(self.district, self.street)


@dataclass(frozen=True, slots=True)
class Street:
    """What a street and what it lies in are called; a name is the code where none is given."""

    city: str
    city_name: str
    district_name: str
    street_name: str


UNPLACED_PLACE = Place(UNPLACED, UNPLACED, UNPLACED)
UNPLACED_STREET = Street(UNPLACED, UNPLACED, UNPLACED, UNPLACED)


@dataclass(frozen=True, slots=True)
class Places:
    """Every place that is known. Cameras are keyed by (agent, camera).

    ``agents`` says where an agent's own metrics can be reached, as host and port.
    """

    cameras: Mapping[tuple[str, str], Place] = field(default_factory=dict)
    streets: Mapping[StreetKey, Street] = field(default_factory=dict)
    agents: Mapping[str, str] = field(default_factory=dict)

    def of(self, agent_id: str, camera_id: str) -> Place:
        """Where a camera stands; the place ``unplaced`` for one that is not in the file."""
        return self.cameras.get((agent_id, camera_id), UNPLACED_PLACE)

    def street_of(self, agent_id: str, camera_id: str) -> StreetKey:
        """The street in which a camera stands."""
        place = self.cameras.get((agent_id, camera_id))
        return NOWHERE if place is None else place.key


def _code(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f'{value} is a number to YAML, which drops leading zeros: write it in quotes, "{value}"')
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise ValueError(f"{value!r} is not a code: letters a to z, digits, '.', '_' and '-', 64 at most")
    if value == UNPLACED:
        raise ValueError(f"{UNPLACED} is kept for cameras without a place: choose another code")
    return value


def _identifier(value: Any) -> str:
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise ValueError(f"{value!r} is not an id: letters, digits, '.', '_' and '-', 64 at most, in quotes")
    return value


def _camera_name(value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > MAX_NAME or _CONTROL.search(value):
        raise ValueError(f"{value!r} is not a camera's id: write it as the agent's configuration has it, in quotes")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME or _CONTROL.search(value):
        raise ValueError(f"{value!r} is not a name: any script, one line, {MAX_NAME} characters at most")
    return value


def _address(value: Any) -> str:
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < int(found[1]) <= MAX_PORT:
        raise ValueError(
            f"{value!r} is not an address: write HOST:PORT, such as 10.0.0.7:9101, without http:// or a path"
        )
    return str(found[0])


def _path(value: Any) -> tuple[str, ...]:
    codes = tuple(part.strip() for part in value.split("/")) if isinstance(value, str) else ()
    if len(codes) not in (3, 4):
        raise ValueError(
            f"{value!r} is not a place: write city / district / street, or city / district / street / cell"
        )
    return tuple(_code(code) for code in codes)


Code = Annotated[str, BeforeValidator(_code)]
Name = Annotated[str, BeforeValidator(_name)]


@checked(frozen=True, slots=True, config=_STRICT)
class _Cell:
    code: Code
    name: Name | None = None


@checked(frozen=True, slots=True, config=_STRICT)
class _Street:
    code: Code
    name: Name | None = None
    cells: tuple[_Cell, ...] = ()


@checked(frozen=True, slots=True, config=_STRICT)
class _District:
    code: Code
    streets: tuple[_Street, ...]
    name: Name | None = None


@checked(frozen=True, slots=True, config=_STRICT)
class _City:
    code: Code
    districts: tuple[_District, ...]
    name: Name | None = None


@checked(frozen=True, slots=True, config=_STRICT)
class _Camera:
    agent: Annotated[str, BeforeValidator(_identifier)]
    camera: Annotated[str, BeforeValidator(_camera_name)]
    place: Annotated[tuple[str, ...], BeforeValidator(_path)]
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None


@checked(frozen=True, slots=True, config=_STRICT)
class _Agent:
    agent: Annotated[str, BeforeValidator(_identifier)]
    metrics: Annotated[str, BeforeValidator(_address)]


@checked(frozen=True, slots=True, config=_STRICT)
class _File:
    cities: tuple[_City, ...]
    cameras: tuple[_Camera, ...] = ()
    agents: tuple[_Agent, ...] = ()


_FILE: TypeAdapter[_File] = TypeAdapter(_File)
Problem = tuple[Where, str]


def load_places(path: Path) -> Places:
    """Read a places file. Raises ``ConfigError``, which lists everything that is wrong in one go."""
    file = ConfigFile.read(path, long_list=True)
    content = file.validate(_FILE, file.data)
    tree = _Tree()
    problems = [*tree.grow(content.cities), *tree.place(content.cameras), *_listed_twice(content.agents)]
    file.refuse(problems)
    return Places(tree.cameras, tree.streets, {one.agent: one.metrics for one in content.agents})


def _listed_twice(agents: tuple[_Agent, ...]) -> Iterator[Problem]:
    """Agents that are listed twice, and addresses that two agents are said to have."""
    owners: dict[str, str] = {}
    seen: set[str] = set()
    for index, one in enumerate(agents):
        at: Where = ("agents", index)
        if one.agent in seen:
            yield (*at, "agent"), f"agent {one.agent} is listed twice: take one out"
        seen.add(one.agent)
        owner = owners.setdefault(one.metrics, one.agent)
        if owner != one.agent:
            yield (*at, "metrics"), f"{one.metrics} is said to be agent {owner}'s already: mend one of them"


class _Tree:
    """What the file says, gathered while it is checked across its entries."""

    def __init__(self) -> None:
        self.streets: dict[StreetKey, Street] = {}
        self.cameras: dict[tuple[str, str], Place] = {}
        self._names: dict[tuple[str, ...], str | None] = {}
        self._city_of: dict[str, str] = {}
        self._with_cells: set[tuple[str, ...]] = set()

    def grow(self, cities: tuple[_City, ...]) -> Iterator[Problem]:
        """Take the hierarchy."""
        for c, city in enumerate(cities):
            at: Where = ("cities", c)
            yield from self._named(at, (city.code,), city.name)
            for d, district in enumerate(city.districts):
                yield from self._district(city, district, (*at, "districts", d))

    def _district(self, city: _City, district: _District, at: Where) -> Iterator[Problem]:
        yield from self._named(at, (city.code, district.code), district.name)
        home = self._city_of.setdefault(district.code, city.code)
        if home != city.code:
            yield (*at, "code"), f"{district.code} is a district of {home} already: a district's code must be its alone"
        for s, street in enumerate(district.streets):
            inside = (*at, "streets", s)
            path = (city.code, district.code, street.code)
            yield from self._named(inside, path, street.name)
            self.streets[StreetKey(district.code, street.code)] = Street(
                city.code,
                self._names[path[:1]] or city.code,
                self._names[path[:2]] or district.code,
                self._names[path] or street.code,
            )
            if street.cells:
                self._with_cells.add(path)
            for n, cell in enumerate(street.cells):
                yield from self._named((*inside, "cells", n), (*path, cell.code), cell.name)

    def _named(self, at: Where, path: tuple[str, ...], name: str | None) -> Iterator[Problem]:
        level = LEVELS[len(path) - 1]
        if path not in self._names:
            self._names[path] = name
        elif self._names[path] != name:
            names = f"{self._names[path] or 'none'} and {name or 'none'}"
            yield (*at, "code"), f"the {level} {' / '.join(path)} has two names, {names}: keep one of them"
        elif level in ("street", "cell"):
            yield (*at, "code"), f"the {level} {' / '.join(path)} is listed twice: take one out"

    def place(self, cameras: tuple[_Camera, ...]) -> Iterator[Problem]:
        """Take the cameras."""
        for index, camera in enumerate(cameras):
            at: Where = ("cameras", index)
            key = (camera.agent, camera.camera)
            if key in self.cameras:
                yield (*at, "camera"), f"camera {camera.camera} of agent {camera.agent} is listed twice: take one out"
            unknown = next(
                (end for end in range(1, len(camera.place) + 1) if not self._known(camera.place[:end])), None
            )
            if unknown is not None:
                path = " / ".join(camera.place[:unknown])
                yield (*at, "place"), f"the {LEVELS[unknown - 1]} {path} is not listed under cities: add it, or mend it"
            if (camera.latitude is None) != (camera.longitude is None):
                missing = "latitude" if camera.latitude is None else "longitude"
                yield at, f"has no {missing}: give both coordinates, or neither"
            self.cameras[key] = Place(*_filled(camera.place), camera.latitude, camera.longitude)

    def _known(self, path: tuple[str, ...]) -> bool:
        return path in self._names or (len(path) == len(LEVELS) and path[:-1] not in self._with_cells)


def _filled(path: tuple[str, ...]) -> tuple[str, str, str, str]:
    city, district, street, *cell = path
    return city, district, street, cell[0] if cell else ""
