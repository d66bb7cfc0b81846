"""A YAML file whose errors name file, line and field."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from edge_agent.redaction import redacted

T = TypeVar("T")
Where = tuple[str | int, ...]

_MAX_BYTES = 4 * 1024 * 1024


class ConfigError(Exception):
    """Everything that is wrong with a configuration: ``problems`` holds one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class ConfigFile:
    """A YAML mapping with the line on which each of its values stands."""

    path: Path
    text: str
    data: dict[str, Any]
    lines: dict[Where, int]

    @staticmethod
    def read(path: Path) -> ConfigFile:
        """Read a YAML file that holds a mapping. Raises ``ConfigError``."""
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ConfigError([f"{path}: larger than {_MAX_BYTES} bytes, this is no configuration file"])
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
        except UnicodeDecodeError as error:
            raise ConfigError([f"{path}: not UTF-8 text (byte {error.start})"]) from error
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            wrong = [] if node is None else _wrong_with(node, (), set())
            if wrong:
                raise ConfigError([f"{path}:{line}: {problem}" for line, problem in wrong])
            data = loader.construct_document(node) if node is not None else None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError([f"{path}:{line}: not valid YAML: {error.problem or error.context}"]) from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError([f"{path}: not valid YAML: {error}"]) from error
        finally:
            loader.dispose()
        if not isinstance(data, dict):
            raise ConfigError([f"{path}:1: must hold a mapping of fields, not {_kind(data)}"])
        lines: dict[Where, int] = {}
        if node is not None:
            _collect_lines(node, (), lines)
        return ConfigFile(path, text, data, lines)

    def validate(self, adapter: TypeAdapter[T], data: Any, at: Where = ()) -> T:
        """Check ``data``, which stands at path ``at`` of the file. Raises ``ConfigError`` with every problem."""
        try:
            return adapter.validate_python(data)
        except ValidationError as error:
            found = [(self._known(at + item["loc"]), item) for item in error.errors()]
            inside = {where[:end] for where, _ in found for end in range(len(where))}
            problems = [
                self.problem(where, _say(item))
                for where, item in found
                if not (item["type"] == "too_short" and where in inside)  # only its bad entries make it short
            ]
            raise ConfigError(problems) from error

    def problem(self, where: Where, message: str) -> str:
        """One sentence that names file, line and field."""
        known = where
        while known and known not in self.lines:
            known = known[:-1]
        field = _field(where)
        return f"{self.path}:{self.lines.get(known, 1)}: {field + ': ' if field else ''}{message}"

    def _known(self, where: Where) -> Where:
        """``where`` without the parts that only the checker knows, such as the tag of a union."""
        real: Where = ()
        for place, part in enumerate(where):
            if (*real, part) in self.lines or place == len(where) - 1:
                real = (*real, part)
        return real


class _Loader(yaml.SafeLoader):
    """Leaves dates as they are written: whoever checks them can then name the field of a wrong one."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _wrong_with(node: yaml.Node, where: Where, around: set[int]) -> list[tuple[int, str]]:
    """Line and problem of what YAML lets pass: a key that is given twice, a section inside itself."""
    line = node.start_mark.line + 1
    if id(node) in around:
        return [(line, f"{_field(where)} refers to itself")]
    around = around | {id(node)}
    problems: list[tuple[int, str]] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            inner = (*where, name)
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                problems.append((key.start_mark.line + 1, f"{_field(inner)}: is given twice"))
            seen.add(name)
            problems += _wrong_with(value, inner, around)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            problems += _wrong_with(value, (*where, index), around)
    return problems


def _field(where: Where) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")


def _collect_lines(node: yaml.Node, where: Where, lines: dict[Where, int]) -> None:
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
    if kind == "missing" or kind == "missing_argument":
        return "is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return "is not a field that is known here: check its spelling"
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    if kind == "union_tag_not_found":
        return "needs a scenario: parking or passage"
    if kind == "union_tag_invalid":
        return f"scenario {context.get('tag')!r} is not known: use {context.get('expected_tags')}"
    if kind == "string_pattern_mismatch":
        return f"{given!r} does not fit the pattern {context.get('pattern')}"
    shown = "" if isinstance(given, (dict, list, tuple)) else redacted(f" (it is {given!r})")
    return f"{item['msg'][0].lower()}{item['msg'][1:]}{shown}"


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
