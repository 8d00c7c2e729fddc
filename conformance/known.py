"""The list of known divergences: every entry has a reason, and one that is no longer seen is red."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import Field

from conformance.fields import Strict
from conformance.judge import Result
from conformance.load import decode, read, validate
from conformance.runs import Target
from conformance.strict_yaml import parse

RED = ("diverges", "errored", "crashed", "hung")


class Entry(Strict):
    """One known divergence: which targets (`adapter[mode]`), environments and cases, why, and where it is discussed."""

    target: str
    case: str
    environment: str = "*"
    reason: Annotated[str, Field(min_length=10)]
    link: str | None = None

    def matches(self, target: Target, case_id: str) -> bool:
        """Whether this entry speaks of a target and a case; `[` and `]` of a label stand for themselves."""
        pattern = self.target.replace("[", "[[]")
        here = fnmatchcase(target.label, pattern) and fnmatchcase(target.environment, self.environment)
        return here and fnmatchcase(case_id, self.case)


class List(Strict):
    """A file of known divergences."""

    known: list[Entry]


def load(path: Path) -> list[Entry]:
    """Read a list of known divergences; BadInput says where it is wrong."""
    listed: List = validate(parse(decode(read(path), str(path)), str(path)), List)
    return listed.known


def apply(result: Result, target: Target, entries: list[Entry]) -> Result:
    """A result in the light of the list: known where it says so, healed where it says so in vain."""
    for entry in entries:
        if not entry.matches(target, result.case):
            continue
        if result.verdict in RED:
            return replace(result, verdict="known", reason=" ".join(filter(None, (entry.reason, entry.link))))
        if result.verdict == "conforms":
            return replace(result, verdict="healed", reason=f"no longer seen: {entry.reason}")
    return result
