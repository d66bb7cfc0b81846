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
_MAX_LIST_BYTES = 64 * 1024 * 1024
_MAX_DEPTH = 20
"""Of a long list: nothing in one lies deeper than half of that, and the parser in C does not bound it itself."""


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
    def read(path: Path, *, long_list: bool = False) -> ConfigFile:
        """Read a YAML file that holds a mapping. Raises ``ConfigError``.

        With ``long_list`` it may have tens of thousands of entries: it is read by the parser in C, where there is one,
        and may hold no aliases.
        """
        max_bytes = _MAX_LIST_BYTES if long_list else _MAX_BYTES
        try:
            with path.open("rb") as file:
                raw = file.read(max_bytes + 1)
            text = raw.decode("utf-8")
        except OSError as error:
            raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
        except UnicodeDecodeError as error:
            raise ConfigError([f"{path}: not UTF-8 text (byte {error.start})"]) from error
        if len(raw) > max_bytes:
            raise ConfigError([f"{path}: larger than {max_bytes} bytes, this is no configuration file"])
        node, data = _parse(path, text, long_list=long_list)
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
        self.refuse(found)
        return value

    def refuse(self, found: Sequence[tuple[Where, str]]) -> None:
        """Raise ``ConfigError`` with every problem, in order of their lines, if there are any."""
        if found:
            raise ConfigError([self._problem(*one) for one in sorted(found, key=lambda one: self._line(one[0]))])

    def _problem(self, where: Where, message: str) -> str:
        field = _field(where)
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


class _Loader(yaml.SafeLoader):
    """Leaves dates as they are written: whoever checks them can then name the field of a wrong one."""


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same, several times as fast where libyaml is there."""


_Loader.yaml_implicit_resolvers = _FastLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _parse(path: Path, text: str, *, long_list: bool) -> tuple[yaml.Node | None, Any]:
    loader: Any = None
    try:
        if long_list:
            _must_be_plain(path, text)
        loader = _FastLoader(text) if long_list else _Loader(text)
        node = loader.get_single_node()
        wrong = [] if node is None else _wrong_with(node, (), set())
        if wrong:
            raise ConfigError([f"{path}:{line}: {problem}" for line, problem in wrong])
        return node, loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError([f"{path}:{line}: not valid YAML: {error.problem or error.context}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([f"{path}: not valid YAML: {error}"]) from error
    finally:
        if loader is not None:
            loader.dispose()


def _must_be_plain(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_FastLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError([f"{path}:{line}: holds an alias, *{event.anchor}: write the entry out"])
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            if depth > _MAX_DEPTH:
                raise ConfigError([f"{path}:{line}: more than {_MAX_DEPTH} levels within each other"])
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1


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
