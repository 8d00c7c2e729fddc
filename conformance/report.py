"""Run files and cases -> a report: everything that a rendering needs, and nothing that it must look up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from conformance import inferred, known
from conformance.behaviour import Behaviour, behaviours
from conformance.case import Case
from conformance.corpus import Corpus
from conformance.dialect import STANDARD, Dialect
from conformance.explain import explained
from conformance.inferred import Kept
from conformance.judge import VERDICTS, Result, judge
from conformance.runs import Run, Target, read


@dataclass(frozen=True, slots=True)
class Column:
    """One target of a report: its run, the dialect that it declares, and a result for every case that it was given.

    inferred is the dialect that its observations show, where `infer --write` has worked it out.
    """

    run: Run
    dialect: Dialect
    results: dict[str, Result]
    inferred: Kept | None = None

    @property
    def target(self) -> Target:
        """Who was run."""
        return self.run.header.target

    @property
    def unsteady(self) -> dict[str, str]:
        """What was not the same bit for bit, of the cases that were answered several times."""
        return dict(self.run.end.get("unsteady", {}))

    @property
    def counts(self) -> dict[str, int]:
        """How many cases got which verdict, in the order of the legend."""
        counted = Counter(result.verdict for result in self.results.values())
        return {verdict: counted[verdict] for verdict in VERDICTS if counted[verdict]}

    @property
    def departs(self) -> dict[str, str]:
        """The knobs in which the declared dialect departs from the standard."""
        return self.dialect.differences(STANDARD)

    @property
    def green(self) -> bool:
        """Whether the run came to its end, was the same every time, and nothing in it is red."""
        return self.run.complete and not self.unsteady and all(result.green for result in self.results.values())


@dataclass(frozen=True)
class Report:
    """All results: a row for each case, a column for each target."""

    cases: list[Case]
    columns: list[Column]

    @property
    def green(self) -> bool:
        """Whether every column is."""
        return all(column.green for column in self.columns)

    @property
    def reused(self) -> int:
        """How many observations of all targets were taken over from earlier runs."""
        return sum(column.run.reused for column in self.columns)

    @property
    def observed(self) -> int:
        """How many there are."""
        return sum(len(column.run.places) for column in self.columns)

    @cached_property
    def behaviours(self) -> dict[str, list[Behaviour]]:
        """For every case the classes of targets that behave alike; members are places among the columns."""
        return {
            case.id: behaviours(case, [(column.results.get(case.id), column.dialect) for column in self.columns])
            for case in self.cases
        }


def run_files(folder: Path) -> list[Path]:
    """The run files of a folder."""
    return sorted(folder.glob("*.jsonl"))


def build(corpus: Corpus, paths: Iterable[Path], excuses: list[known.Entry], *, causes: bool = True) -> Report:
    """Judge every run against the cases there are now, and look for the causes of what departs."""
    return Report(list(corpus), [column(corpus, read(path), excuses, causes=causes) for path in paths])


def column(corpus: Corpus, run: Run, excuses: list[known.Entry], *, causes: bool = True) -> Column:
    """Judge one run. A case that has changed since then is missing; one that was not asked for is left out."""
    header = run.header
    if "unavailable" in header.provenance:
        reason = str(header.provenance["unavailable"])
        absent = {case_id: Result(case_id, "unavailable", reason) for case_id in header.cases if case_id in corpus}
        return Column(run, STANDARD, absent)
    dialect = STANDARD.under(header.dialect)
    excuses = [entry for entry in excuses if entry.speaks_of(header.target)]
    results: dict[str, Result] = {}
    for case_id, line in run.lines():
        if case_id in corpus:
            case = corpus.case(case_id)
            changed = header.cases.get(case_id) != case.digest
            result = changed_since(case_id) if changed else judge(case, line, dialect)
            result = known.apply(result, header.target, excuses)
            results[case_id] = explained(result, case, line, dialect) if causes else result
    for case_id in header.cases:
        if case_id not in results and case_id in corpus:
            results[case_id] = judge(corpus.case(case_id), None, dialect)
    return Column(run, dialect, results, inferred.of(run, corpus))


def changed_since(case_id: str) -> Result:
    """The verdict on an observation of what is no longer the case."""
    return Result(case_id, "missing", "the case has changed since this run; run the target again")
