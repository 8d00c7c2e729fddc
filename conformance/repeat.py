"""Cases that are answered several times, each time in fresh layers: what is not the same bit for bit is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Repeated:
    """Passes on the first answer to every case, and compares the others with it."""

    times: int
    record: Callable[[str, bytes], None]
    first: dict[str, bytes] = field(default_factory=dict)
    unsteady: dict[str, str] = field(default_factory=dict)

    def each(self, cases: Iterable[T]) -> Iterator[T]:
        """Every case so many times."""
        return (case for case in cases for _ in range(self.times))

    def __call__(self, case_id: str, raw: bytes) -> None:
        """Take an answer; only the first of the case that is asked for now is kept in memory."""
        if case_id not in self.first:
            self.first = {case_id: raw}
            self.record(case_id, raw)
        elif case_id not in self.unsteady and (what := difference(self.first[case_id], raw)):
            self.unsteady[case_id] = what

    def told(self) -> dict[str, Any]:
        """For the footer of a run file."""
        return {"unsteady": self.unsteady} if self.unsteady else {}


def comparable(raw: bytes) -> dict[str, Any]:
    """An answer without the time that it took, and of an exception only its type: messages name addresses."""
    line: dict[str, Any] = {**json.loads(raw), "seconds": 0}
    for part in (line, *line.get("steps", ())):
        if "raised" in part:
            part["raised"] = part["raised"][0]
    return line


def difference(one: bytes, other: bytes) -> str:
    """The first place in which two answers to a case are not the same, but for the time that they took."""
    here, there = comparable(one), comparable(other)
    if here == there:
        return ""
    for index, (before, after) in enumerate(zip(here.get("steps", ()), there.get("steps", ()), strict=False)):
        values, others = before["quantities"], after["quantities"]
        for name in (*values, *others):
            if values.get(name) != others.get(name):
                return f"step {index + 1}: {name} is not the same every time"
        if before != after:
            return f"step {index + 1} does not end in the same way every time"
    return "the case does not end in the same way every time"
