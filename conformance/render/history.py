"""The timeline in Markdown: a table of changes for every series, or the values of one knob version by version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from conformance.corpus import Corpus
from conformance.timeline import Change, Series, others, turns, values

NAMED = 3  # cases that are listed by name
BOUNDS = "A change lies somewhere between the two versions of its row: those are the versions that were run."


def changes(timeline: Sequence[Series]) -> Iterator[str]:
    """The lines of all series: their versions, and a table of what changed between them."""
    yield BOUNDS
    for series in timeline:
        yield from ("", f"### {heading(series)}", "", f"Run: {versions(series)}.", "")
        rows = [row for change in series.changes for row in rows_of(change)]
        if rows:
            yield from ("| between | what | was | is | cases |", "|---|---|---|---|---|", *rows)
        else:
            yield "No change seen."


def heading(series: Series) -> str:
    """The name of a series, with the label of its targets as code."""
    label, of, rest = series.name.partition(" of ")
    return f"`{label}`{of}{rest}"


def versions(series: Series) -> str:
    """The versions that were run, oldest first."""
    return ", ".join(point.version for point in series.points)


def rows_of(change: Change) -> Iterator[str]:
    """A row for each convention that changed, then one for each kind of change that none accounts for."""
    between = f"{change.older.version} and {change.newer.version}"
    for knob, was, now, cases in turns(change):
        yield f"| {between} | `{knob}` | {was} | {now} | {counted(cases)} |"
    for was, now, cases in others(change):
        yield f"| {between} | no convention | {was} | {now} | {counted(cases)} |"


def counted(cases: Sequence[str]) -> str:
    """How many cases, and which where they are few."""
    return f"{len(cases)}: " + ", ".join(f"`{case}`" for case in cases) if len(cases) <= NAMED else str(len(cases))


def knob(corpus: Corpus, timeline: Iterable[Series], name: str) -> Iterator[str]:
    """The lines of a table: which value of a knob the cases prove, version by version."""
    yield from (f"| API | version | `{name}` |", "|---|---|---|")
    for series in timeline:
        for point in series.points:
            proved = values(corpus, point, name)
            told = ", ".join(f"{value} ({counted(cases)})" for value, cases in proved.items())
            yield f"| {heading(series)} | {point.version} | {told or 'not told by any case'} |"
