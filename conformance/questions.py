"""What the commands of `cli_questions` do: look up runs and cases, ask, and put the answer in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

from conformance import inferred, known, known_update, lag, port, report
from conformance.case import Case
from conformance.corpus import Corpus, select
from conformance.dialect import STANDARD
from conformance.differ import Side, differ
from conformance.infer import infer as inference
from conformance.infer import observations
from conformance.places import adapters, excuses
from conformance.render import answers
from conformance.runs import Run, Target, read
from conformance.runs import write as write_whole
from conformance.versions import numbers
from conformance.worked import Settings


def find(pattern: str, folder: Path) -> list[Run]:
    """The runs of a target: an adapter, adapter[mode], a glob over these or over the names of run files, or a file."""
    if Path(pattern).is_file():
        return [read(Path(pattern))]
    paths = sorted(folder.glob("*.jsonl"))
    found = [run for run in map(read, paths) if named(run.header.target, pattern)]
    if not found:
        there = ", ".join(sorted({read(path).header.target.label for path in paths})) or "nothing"
        raise click.BadParameter(f"no run of {pattern!r} in {folder}; there is {there}", param_hint="TARGET")
    return found


def one(pattern: str, folder: Path) -> Run:
    """The run of a target; a BadParameter lists those among which it does not decide.

    A name without a glob stands for what a reader means by it: of an adapter's modes and environments the newest
    version, there those that are about every case, and of several such the one that was run last.
    """
    found = find(pattern, folder)
    if not {"*", "?"}.intersection(pattern):
        return max(found, key=foremost)
    if len(found) > 1:
        there = ", ".join(run.header.target.name for run in found)
        raise click.BadParameter(f"{pattern!r} is more than one: {there}", param_hint="TARGET")
    return found[0]


def foremost(run: Run) -> tuple[list[int], bool, str]:
    """What puts a run before the others of its adapter."""
    said = run.header.provenance
    return numbers(run.header.target.version), not said.get("about"), str(said.get("started", ""))


def named(target: Target, pattern: str) -> bool:
    """Whether a target is meant by a pattern; `[` and `]` stand for themselves."""
    names = (target.adapter, target.label, target.name)
    return any(fnmatchcase(name, pattern.replace("[", "[[]")) for name in names)


def observed(run: Run, corpus: Corpus) -> Iterator[tuple[Case, Mapping[str, Any]]]:
    """The cases of a run that are still what was run, with their lines."""
    for case_id, line in run.lines():
        if case_id in corpus and corpus.case(case_id).digest == run.header.cases.get(case_id):
            yield corpus.case(case_id), line


def infer(
    pattern: str, root: Path, folder: Path, listed: Path | None, *, write: bool = False
) -> tuple[list[str], bool]:
    """The inferred dialects of some targets in words, and whether a declaration is contradicted; kept, if wanted."""
    corpus, entries = select(root, ()), [entry for file in excuses(listed) for entry in known.load(file)]
    lines: list[str] = []
    contradicted = False
    for run in find(pattern, folder):
        target, seen = run.header.target, observations(observed(run, corpus))
        found = inference(seen)
        if write:
            said = [answers.holds(each, found) for each in found.exceptions]
            kept = inferred.kept(found, inferred.digest(run, corpus), len(seen), said)
            inferred.save(run.path.parent, {run.path.name: kept})
        excused = {one.case.id for one in seen if any(entry.matches(target, one.case.id) for entry in entries)}
        against = found.contradictions(STANDARD.under(run.header.dialect), excused)
        lines += answers.inferred(target, found, len(seen), run.header.dialect, against)
        contradicted = contradicted or bool(against)
    return lines, contradicted


def explain(here: str, there: str, root: Path, folder: Path, settings: Settings) -> list[str]:
    """What differs between two targets, in words."""
    corpus, runs = select(root, ()), [one(pattern, folder) for pattern in (here, there)]
    labels = {run.header.target.label for run in runs}
    sides = [side(run, corpus, in_full=len(labels) == 1) for run in runs]
    return answers.differences(sides[0].name, sides[1].name, differ(*sides), settings)


def side(run: Run, corpus: Corpus, *, in_full: bool) -> Side:
    """A run as one of two that are compared; two versions of one target are told apart by their environments."""
    target, seen = run.header.target, observations(observed(run, corpus))
    name = f"{target.label} {target.environment}" if in_full else target.label
    return Side(name, STANDARD.under(run.header.dialect), {one.case.id: one for one in seen})


def check_known(runs: Sequence[Path], root: Path, listed: Path | None, *, update: bool) -> tuple[list[str], bool]:
    """What each entry of a list does in some runs, or the list brought up to date; whether all is well."""
    path = listed or adapters() / "known.yaml"
    files = [file for given in runs for file in (report.run_files(given) if given.is_dir() else [given])]
    columns = report.build(select(root, ()), files, [], causes=update).columns
    if update:
        write_whole(path, known_update.updated(path, columns).encode())
        return [f"{path} is up to date; write the reasons that are still TODO"], True
    entries = known.load(path)
    used = known_update.uses(entries, columns)
    lines = [answers.use(each) for each in used]
    lines += [f"not listed: {target} {case}" for target, case, _ in known_update.missing(entries, columns)]
    return lines, not any(each.idle or each.healed for each in used)


def ported(here: str, there: str, folder: Path, settings: Settings, layer: port.Layer) -> list[str]:
    """What does in one target's own spelling what a layer of another does, and what is left."""
    ours, theirs = one(here, folder).header, one(there, folder).header
    try:
        return answers.ported(port.port(ours, theirs, layer), settings)
    except port.NoScript as error:
        raise click.BadParameter(str(error), param_hint="B") from None


def why_differ(pattern: str, globs: tuple[str, ...], root: Path, folder: Path) -> list[str]:
    """Which of lag, mode and lost state explains what a target predicts after training, case by case."""
    corpus, lines = select(root, globs), list[str]()
    for run in find(pattern, folder):
        dialect = STANDARD.under(run.header.dialect)
        for each in observations(observed(run, corpus)):
            if any(
                step.verb == "predict" and lag.trained(each.case, at) for at, step in enumerate(each.case.text.steps)
            ):
                lines += answers.why(f"{run.header.target.label} {each.case.id}", lag.why(each, dialect))
    return lines or ["no case that was run trains and then predicts"]
