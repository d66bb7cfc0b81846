"""A YAML file whose errors name file, line and field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
Where = tuple[str | int, ...]

_MAX_BYTES = 1024 * 1024


class ConfigError(Exception):
    """Everything that is wrong with a configuration: ``problems`` holds one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class ConfigFile:
    """A YAML mapping with the line on which each of its values stands."""

    path: Path
    data: dict[str, Any]
    lines: dict[Where, int]

    @staticmethod
    def read(path: Path) -> ConfigFile:
        """Read a YAML file that holds a mapping. Raises ``ConfigError``."""
        try:
            with path.open("rb") as file:
                raw = file.read(_MAX_BYTES + 1)
            text = raw.decode("utf-8")
        except OSError as error:
            raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
        except UnicodeDecodeError as error:
            raise ConfigError([f"{path}: not UTF-8 text (byte {error.start})"]) from error
        if len(raw) > _MAX_BYTES:
            raise ConfigError([f"{path}: larger than {_MAX_BYTES} bytes, this is no configuration file"])
        node, data = _parse(path, text)
        if not isinstance(data, dict):
            kind = "nothing" if data is None else f"a {type(data).__name__}"
            raise ConfigError([f"{path}:1: must hold a mapping of fields, not {kind}"])
        lines: dict[Where, int] = {}
        _collect_lines(node, (), lines)
        return ConfigFile(path, data, lines)

    def validate(self, adapter: TypeAdapter[T], data: Any, also: Sequence[tuple[Where, str]] = ()) -> T:
        """Check ``data``, the file's mapping. ``also`` are problems found otherwise, each with its field.

        Raises ``ConfigError`` with every problem, in order of their lines.
        """
        found = list(also)
        try:
            value = adapter.validate_python(data)
        except ValidationError as error:
            found += [(self._known(item["loc"]), _say(item)) for item in error.errors()]
        if found:
            raise ConfigError([self._problem(*one) for one in sorted(found, key=lambda one: self._line(one[0]))])
        return value

    def _problem(self, where: Where, message: str) -> str:
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")
        return f"{self.path}:{self._line(where)}: {field + ': ' if field else ''}{message}"

    def _line(self, where: Where) -> int:
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def _known(self, where: Where) -> Where:
        """``where`` without the parts that only the checker knows, such as the member of a union."""
        real: Where = ()
        for place, part in enumerate(where):
            is_union_member = place > 0 and place == len(where) - 1 and real in self.lines and "[" in str(part)
            if (*real, part) in self.lines or (place == len(where) - 1 and not is_union_member):
                real = (*real, part)
        return real


def _parse(path: Path, text: str) -> tuple[yaml.Node | None, Any]:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        return node, loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError([f"{path}:{line}: not valid YAML: {error.problem or error.context}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([f"{path}: not valid YAML: {error}"]) from error
    finally:
        loader.dispose()


def _collect_lines(node: yaml.Node | None, where: Where, lines: dict[Where, int]) -> None:
    if node is None:
        return
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*where, str(key.value))
            lines[inner] = key.start_mark.line + 1
            _collect_lines(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _collect_lines(value, (*where, index), lines)


def _say(item: Any) -> str:
    kind, context, given = item["type"], item.get("ctx") or {}, item["input"]
    if kind in ("missing", "missing_argument"):
        return "is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return "is not a field that is known here: check its spelling"
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    if kind == "string_pattern_mismatch":
        return f"{given!r} does not fit the pattern {context.get('pattern')}"
    shown = "" if isinstance(given, (dict, list, tuple)) else f" (it is {given!r})"
    return f"{item['msg'][0].lower()}{item['msg'][1:]}{shown}"
