"""The cases of a folder, loaded as they are asked for: a corpus is larger than the memory that a run may take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from conformance.case import Case
from conformance.ids import matching
from conformance.load import load
from conformance.strict_yaml import BadInput, Problem

KEPT = 1000


@dataclass(frozen=True)
class Corpus:
    """A folder of cases and the ids in it that are wanted."""

    root: Path
    ids: tuple[str, ...]
    digests: dict[str, str] = field(default_factory=dict)

    def __contains__(self, case_id: object) -> bool:
        return case_id in self._wanted

    @cached_property
    def _wanted(self) -> frozenset[str]:
        return frozenset(self.ids)

    def __iter__(self) -> Iterator[Case]:
        return (self.case(case_id) for case_id in self.ids)

    def case(self, case_id: str) -> Case:
        """A case by its id."""
        path = self.root / f"{case_id}.yaml"
        return _load(path, self.root, path.stat().st_mtime_ns if path.exists() else 0)

    def digest(self, case_id: str) -> str:
        """The digest of a case, for which it is loaded once."""
        if case_id not in self.digests:
            self.digests[case_id] = self.case(case_id).digest
        return self.digests[case_id]

    def check(self) -> None:
        """Load everything once and note the digests; BadInput lists every problem of every case."""
        problems: list[Problem] = []
        for case_id in self.ids:
            try:
                self.digest(case_id)
            except BadInput as error:
                problems += error.problems
        if problems:
            raise BadInput(problems)


@lru_cache(maxsize=KEPT)
def _load(path: Path, root: Path, changed: int) -> Case:  # noqa: ARG001 - a file that has changed is another one
    return load(path, root)


def select(root: Path, globs: tuple[str, ...]) -> Corpus:
    """The cases below a folder that match; a filter that matches nothing is an error."""
    return Corpus(root, tuple(matching(root, globs)))
