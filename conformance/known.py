"""The list of known divergences: every entry has a reason, and one that is no longer seen is red."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from conformance.fields import Strict
from conformance.judge import Result
from conformance.load import decode, read, validate
from conformance.runs import Target
from conformance.strict_yaml import parse

RED = ("diverges", "errored", "crashed", "hung")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Globs = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]


class Entry(Strict):
    """A known divergence: which targets (`adapter[mode]`), environments and cases, why, and where it is discussed.

    unsteady: it is not seen in every run, and nothing is said of a run that does not show it.
    """

    target: Globs
    case: Globs
    environment: str = "*"
    reason: Annotated[str, Field(min_length=10)]
    link: str | None = None
    unsteady: bool = False

    def matches(self, target: Target, case_id: str) -> bool:
        """Whether this entry speaks of a target and a case; `[` and `]` of a label stand for themselves."""
        here = any(fnmatchcase(target.label, glob.replace("[", "[[]")) for glob in self.target)
        here = here and fnmatchcase(target.environment, self.environment)
        return here and any(fnmatchcase(case_id, glob) for glob in self.case)


class List(Strict):
    """A file of known divergences."""

    known: list[Entry]


def load(path: Path) -> list[Entry]:
    """Read a list of known divergences; BadInput says where it is wrong."""
    listed: List = validate(parse(decode(read(path), str(path)), str(path)), List)
    return listed.known


def apply(result: Result, target: Target, entries: list[Entry]) -> Result:
    """A result in the light of the list: known where it says so, healed where it says so in vain, unless unsteady."""
    for entry in entries:
        if not entry.matches(target, result.case):
            continue
        if result.verdict in RED:
            return replace(result, verdict="known", reason=" ".join(filter(None, (entry.reason, entry.link))))
        if result.verdict == "conforms" and not entry.unsteady:
            return replace(result, verdict="healed", reason=f"no longer seen: {entry.reason}")
    return result
