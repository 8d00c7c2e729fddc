"""YAML without its surprises: what another reader would read otherwise is refused, with the place and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import yaml

MOST_CHARACTERS = 4_000_000
DEEPEST = 40
LONGEST_MESSAGE = 1000
Path = tuple[str | int, ...]
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Meaning = str | int | float | bool | None

_RESOLVER: Any = yaml.resolver.Resolver()
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_NUMBER_TO_PEOPLE = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?\Z")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]\d+)?\Z")
_SPECIAL = {".nan": float("nan"), ".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf")}


def fit(text: str) -> str:
    """Text that a terminal can be shown: of bounded length, with what it would obey written out."""
    cut = text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + " …"
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in cut)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at a place in a file; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        file = fit(self.file).replace("\n", "\\n")
        return f"{file}:{self.line}:{self.column}: {fit(self.message)}"


class BadInput(Exception):
    """Input that a person has to mend: one or more problems, each with its place."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class Document:
    """What a YAML file says; where it says it is only looked up when something is wrong with it."""

    file: str
    text: str
    content: Any

    @cached_property
    def marks(self) -> dict[Path, tuple[int, int]]:
        """Path of keys and indices -> (line, column)."""
        return dict(_marks(yaml.compose(self.text, Loader), ()))

    def problem(self, path: Path, message: str) -> Problem:
        """A problem at a path, or at the nearest place around it that the file has."""
        while path and path not in self.marks:
            path = path[:-1]
        line, column = self.marks.get(path, (1, 1))
        return Problem(self.file, line, column, message)


def _marks(node: Any, path: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Every place of a document that was read without complaint; a value with a key stands where the key is."""
    yield path, (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _marks(item, (*path, index))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _marks(value, (*path, key.value))
            yield (*path, key.value), (key.start_mark.line + 1, key.start_mark.column + 1)


def parse(text: str, file: str) -> Document:
    """Read one YAML document strictly; BadInput names line and column of the first thing refused."""
    if len(text) > MOST_CHARACTERS:
        raise BadInput([Problem(file, 1, 1, f"the file has {len(text):,} characters; at most {MOST_CHARACTERS:,}")])
    reader = None
    try:
        reader = _Reader(text, file)
        return reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = error.problem or "this is no YAML"
        raise BadInput([Problem(file, line, column, f"{what} (YAML syntax)")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = error.character if isinstance(error.character, int) else ord(error.character)
        message = f"the character U+{character:04X} is not allowed in YAML; remove it"
        raise BadInput([Problem(file, line, 1, message)]) from None
    finally:
        if reader is not None:
            reader.loader.dispose()


class _Reader:
    """Builds the content from the parser's events."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file, self.loader = text, file, Loader(text)

    def refuse(self, event: Any, message: str) -> BadInput:
        mark = event.start_mark
        return BadInput([Problem(self.file, mark.line + 1, mark.column + 1, message)])

    def document(self) -> Document:
        next_event = self.loader.get_event
        next_event()
        event = next_event()
        if isinstance(event, yaml.StreamEndEvent):
            raise self.refuse(event, "the file is empty; write at least title, layer, data and steps")
        content = self.value(next_event(), 0)
        next_event()
        event = next_event()
        if not isinstance(event, yaml.StreamEndEvent):
            raise self.refuse(event, "a second document begins here; write one case in each file")
        return Document(self.file, self.text, content)

    def value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self.refuse(event, "anchors and aliases (&, *) are not used here; write the value out")
        if event.tag is not None:
            raise self.refuse(event, f"tags are not used here; remove {event.tag}")
        if depth >= DEEPEST:
            raise self.refuse(event, f"nested more than {DEEPEST} deep")
        return self.sequence(depth) if isinstance(event, yaml.SequenceStartEvent) else self.mapping(depth)

    def sequence(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self.loader.get_event(), yaml.SequenceEndEvent):
            items.append(self.value(event, depth + 1))
        return items

    def mapping(self, depth: int) -> dict[str, Any]:
        content: dict[str, Any] = {}
        while not isinstance(event := self.loader.get_event(), yaml.MappingEndEvent):
            key = self.scalar(event) if isinstance(event, yaml.ScalarEvent) else None
            if not isinstance(key, str):
                raise self.refuse(event, "a key must be text; put it in quotes if it is meant to be")
            if key in content:
                raise self.refuse(event, f"the key {key!r} is given twice here; YAML would silently keep the last one")
            content[key] = self.value(self.loader.get_event(), depth + 1)
        return content

    def scalar(self, event: Any) -> Meaning:
        if event.anchor is not None or (event.tag is not None and event.tag != "!"):
            raise self.refuse(event, "anchors and tags (&, !) are not used here; write the plain value")
        if not event.implicit[0]:
            return str(event.value)
        try:
            return meaning(event.value)
        except ValueError as error:
            raise self.refuse(event, str(error)) from None


@lru_cache(maxsize=5000)
def meaning(text: str) -> Meaning:
    """What a text without quotes means; a ValueError says why it is refused. Most of them come again and again."""
    if _INTEGER.match(text):
        return int(text) if len(text) < 20 else float(text)
    if _FLOAT.match(text):
        return float(text)
    if text in ("true", "false"):
        return text == "true"
    if text.lower() in _SPECIAL:
        return _SPECIAL[text.lower()]
    if _NUMBER_TO_PEOPLE.match(text):
        raise ValueError(f"YAML does not read {text} as a number everywhere; write {_spell(text)}")
    kind = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)).rpartition(":")[2]
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        raise ValueError(f'YAML reads {text} as a truth value; write true or false, or "{text}" for the word')
    raise ValueError(f'YAML reads {text} as {kind}; put it in quotes: "{text}"')


def _spell(text: str) -> str:
    """A number as every YAML reader reads it."""
    number = float(text.replace("_", ""))
    if number.is_integer() and abs(number) < 1e15 and "." not in text:
        return str(int(number))
    spelled = repr(number)
    return spelled.replace("e", ".0e") if "e" in spelled and "." not in spelled else spelled
