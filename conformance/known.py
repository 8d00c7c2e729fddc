"""The list of known divergences: every entry has a reason, one that is no longer seen is red, and so is an idle one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from conformance.fields import Strict
from conformance.judge import Result
from conformance.load import decode, read, validate
from conformance.runs import Target
from conformance.strict_yaml import BadInput, Problem, parse
from conformance.versions import RANGE, within

RED = ("diverges", "errored", "crashed", "hung")
TODO = "TODO"


def _written(reason: str) -> str:
    if reason.strip().upper().startswith(TODO):
        raise PydanticCustomError("todo", "write in place of TODO why this is so: what the implementation does there")
    return reason


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Globs = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]


class Entry(Strict):
    """A known divergence: which targets (`adapter[mode]`), environments, versions and cases, why, and a link.

    unsteady: it is not seen in every run, and nothing is said of a run that does not show it.
    """

    target: Globs
    case: Globs
    environment: Globs = Field(["*"])
    versions: Annotated[str, Field(pattern=RANGE, description="of the framework: `>=2.4,<3`")] | None = None
    reason: Annotated[str, AfterValidator(_written), Field(min_length=10)]
    link: str | None = None
    unsteady: bool = False

    def names(self, target: Target) -> bool:
        """Whether this entry is about a target in some version; `[` and `]` of a label stand for themselves."""
        here = any(fnmatchcase(target.label, glob.replace("[", "[[]")) for glob in self.target)
        return here and any(fnmatchcase(target.environment, glob) for glob in self.environment)

    def speaks_of(self, target: Target) -> bool:
        """Whether this entry is about a target as it is."""
        return self.names(target) and (self.versions is None or within(target.version, self.versions))

    def covers(self, case_id: str) -> bool:
        """Whether this entry is about a case."""
        return any(fnmatchcase(case_id, glob) for glob in self.case)

    def matches(self, target: Target, case_id: str) -> bool:
        """Whether this entry is about a target and a case."""
        return self.covers(case_id) and self.speaks_of(target)


class List(Strict):
    """A file of known divergences."""

    known: list[Entry]


def load(path: Path) -> list[Entry]:
    """Read a list of known divergences; BadInput says where it is wrong."""
    listed: List = validate(parse(decode(read(path), str(path)), str(path)), List)
    return listed.known


def lint(path: Path, cases: Iterable[str], adapters: Iterable[str]) -> list[Problem]:
    """The entries of a list that no case, or no adapter, could ever be meant by."""
    document = parse(decode(read(path), str(path)), str(path))
    try:
        listed: List = validate(document, List)
    except BadInput as error:
        return error.problems
    ids, labels = list(cases), [f"{name}[" for name in adapters]
    found = []
    for index, entry in enumerate(listed.known):
        at = ("known", index)
        idle = [glob for glob in entry.case if not any(fnmatchcase(case_id, glob) for case_id in ids)]
        found += [document.problem((*at, "case"), f"no case matches {glob!r}") for glob in idle]
        nobody = [glob for glob in entry.target if not any(fnmatchcase(label, _begins(glob)) for label in labels)]
        found += [document.problem((*at, "target"), f"there is no adapter for {glob!r}") for glob in nobody]
    return found


def _begins(glob: str) -> str:
    """The part of a glob for targets that speaks of the adapter."""
    name, bracket, _ = glob.partition("[")
    return name + bracket.replace("[", "[[]")


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
