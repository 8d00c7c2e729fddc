"""What the author of a case wants filled in, and the case without these gaps."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance.dialect import KNOBS, STANDARD
from conformance.strict_yaml import BadInput, Document


@dataclass(frozen=True, slots=True)
class Wish:
    """Literals for a step: under `expect` (other is None), or in the place of one entry of `otherwise`.

    dialects: what to compute under, one entry for each; names: the quantities that were named without a value, or None
    where the choice is ours; open: whether conventions that make no difference are left out.
    """

    step: int
    other: int | None
    dialects: tuple[dict[str, str], ...]
    names: tuple[str, ...] | None
    open: bool = False

    @property
    def place(self) -> tuple[str | int, ...]:
        """Where it stands in the file."""
        return ("steps", self.step, *(("expect",) if self.other is None else ("otherwise", self.other)))


def wishes(document: Document) -> tuple[list[Wish], Document]:
    """Everything that is to be filled in, and the document as if nobody had asked for it."""
    content = copy.deepcopy(document.content)
    steps = content.get("steps") if isinstance(content, dict) else None
    found = [
        wish
        for index, step in enumerate(steps if isinstance(steps, list) else ())
        if isinstance(step, dict)
        for wish in (*_expected(index, step), *_others(index, step, document))
    ]
    return found, Document(document.file, document.text, content)


def _expected(index: int, step: dict[str, Any]) -> Iterator[Wish]:
    if step.get("expect") is None:
        step.pop("expect", None)
        yield Wish(index, None, ({},), None)
    elif isinstance(step["expect"], dict) and (names := _emptied(step["expect"])):
        yield Wish(index, None, ({},), names)


def _others(index: int, step: dict[str, Any], document: Document) -> Iterator[Wish]:
    others = step.get("otherwise")
    for number, entry in enumerate(others if isinstance(others, list) else ()):
        dialect = entry.get("dialect") if isinstance(entry, dict) else None
        if not isinstance(dialect, dict):
            continue
        names = _emptied(entry)
        alone = len(entry) == 1 and not names
        gaps = [knob for knob, value in dialect.items() if value is None]
        for knob in gaps:
            if knob not in KNOBS or len(dialect) > 1 or not alone:
                message = f"a knob without a value stands alone, and is one of {', '.join(KNOBS)}"
                raise BadInput([document.problem(("steps", index, "otherwise", number, "dialect", knob), message)])
        if alone and (gaps or not dialect):
            entry["dialect"] = {}
            yield Wish(index, number, tuple(_every(gaps or list(KNOBS))), None, open=True)
        elif alone or names:
            yield Wish(index, number, (dict(dialect),), names or None)


def _every(knobs: list[str]) -> Iterator[dict[str, str]]:
    """Every value of some knobs but the standard's."""
    for knob in knobs:
        yield from ({knob: value} for value in KNOBS[knob] if value != getattr(STANDARD, knob))


def _emptied(entry: dict[str, Any]) -> tuple[str, ...]:
    """The keys that have no value, which are taken out."""
    names = tuple(key for key, value in entry.items() if value is None)
    for name in names:
        del entry[name]
    return names
