"""Case files -> cases. Every error says file, line, column, what is wrong, and what to write instead."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from conformance import check, digests
from conformance.case import Case, Text
from conformance.data import draw
from conformance.strict_yaml import BadInput, Document, Problem, parse

MOST_BYTES = 4_000_000
PROSE = ("title", "question", "answer", "effect", "statements", "sources", "formerly")
EXPECTED = ("expect", "otherwise")
_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
}


def load(path: Path, root: Path | None = None) -> Case:
    """Load one case file; its id is its path below `root`. BadInput lists everything that is wrong with it."""
    if root is not None and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise BadInput([Problem(str(path), 1, 1, "this leads out of the folder of cases; put the file itself here")])
    raw = read(path)
    document = parse(decode(raw, str(path)), str(path))
    case_id = path.relative_to(root).with_suffix("").as_posix() if root else path.stem
    return build(document, case_id)


def read(path: Path) -> bytes:
    """The bytes of a file that a person names."""
    try:
        if path.exists() and not path.is_file():
            raise BadInput([Problem(str(path), 1, 1, "this is no file")])
        if path.stat().st_size > MOST_BYTES:
            raise BadInput([Problem(str(path), 1, 1, f"the file is larger than {MOST_BYTES:,} bytes")])
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput([Problem(str(path), 1, 1, f"cannot be read: {reason}")]) from None


def decode(raw: bytes, file: str) -> str:
    """UTF-8 text, without a byte order mark."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        message = f"byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        raise BadInput([Problem(file, line, column, message)]) from None


def build(document: Document, case_id: str) -> Case:
    """A parsed document -> a case whose parts fit together."""
    text = validate(document, Text)
    found = [document.problem(path, message) for path, message in check.problems(text)]
    if found:
        raise BadInput(found)
    return Case(case_id, digest(document.content), text, draw(text.data, text.dtype))


def digest(content: Mapping[str, Any]) -> str:
    """What a case's content is known by: all that it asks of a target, and nothing that is said or expected."""
    steps = [{name: value for name, value in step.items() if name not in EXPECTED} for step in content["steps"]]
    asked = {name: value for name, value in content.items() if name not in PROSE} | {"steps": steps}
    return digests.of_value(asked)


def validate(document: Document, kind: type[Any]) -> Any:
    """A document's content as a value of a pydantic type; BadInput with all problems."""
    try:
        return kind.model_validate(document.content)
    except ValidationError as error:
        problems = [_problem(document, detail) for detail in error.errors(include_url=False)]
        raise BadInput(sorted(problems, key=lambda problem: (problem.line, problem.column))) from None


def _problem(document: Document, detail: ErrorDetails) -> Problem:
    path = _real_path(document, (*detail["loc"], *detail.get("ctx", {}).get("at", ())))
    return document.problem(path, _message(detail, path))


def _real_path(document: Document, location: tuple[Any, ...]) -> tuple[str | int, ...]:
    """The location without the names of variants that the validation puts into it, some of which are keys as well."""
    paths: list[tuple[str | int, ...]] = [()]
    for part in location:
        paths += [(*path, part) for path in paths if (*path, part) in document.marks]
    longest = max(paths, key=lambda path: (path[-1:] == location[-1:], len(path)))
    return longest if longest[-1:] == location[-1:] else (*longest, location[-1])


def _message(detail: ErrorDetails, path: tuple[str | int, ...]) -> str:
    error, name, given = detail["type"], path[-1] if path else "the file", detail["input"]
    if error == "missing":
        return f"the key {name!r} is missing here"
    if error in _KINDS:
        return f"{name} must be {_KINDS[error]}, not {_spoken(given)}"
    if error == "string_pattern_mismatch":
        return f"{_spoken(given)} does not fit the pattern {detail['ctx']['pattern']}"
    if error in ("less_than_equal", "greater_than_equal", "less_than", "greater_than", "finite_number"):
        return f"{name} is {given}; it {detail['msg'].replace('Input ', '')}"
    if error == "literal_error":
        return f"{name} is {_spoken(given)}; it must be {detail['ctx']['expected']}"
    if error == "too_short":
        return f"{name} is empty; write at least {detail['ctx']['min_length']}"
    return detail["msg"].replace("Input", str(name), 1)


def _spoken(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, (dict, list)):
        return "keys with values" if isinstance(value, dict) else "a list"
    return f"{'the text ' if isinstance(value, str) else ''}{value!r}"
