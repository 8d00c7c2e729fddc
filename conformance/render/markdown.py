"""Reports and comparisons as Markdown, for the summary of a job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from conformance.compare import KINDS, Change, Comparison
from conformance.judge import VERDICTS
from conformance.render.text import fit
from conformance.render.words import GLYPHS, taken_over, why
from conformance.report import Report

MOST = 200
LONGEST = 400
SHOWN = ("regressed", "fixed", "changed", "new", "removed")


def report(made: Report) -> str:
    """The targets with their counts, then everything that needs a look."""
    verdicts = [verdict for verdict in VERDICTS if any(verdict in column.counts for column in made.columns)]
    rows = [
        [
            code(column.target.label) + ("" if column.run.complete else " (cut off)"),
            plain(column.target.environment),
            *(str(column.counts.get(verdict, 0)) for verdict in verdicts),
            str(len(made.cases) - len(column.results)),
        ]
        for column in made.columns
    ]
    red = [
        [
            f"{GLYPHS[result.verdict]} {result.verdict}",
            plain(column.target.label),
            plain(result.case),
            plain(why(result)),
        ]
        for column in made.columns
        for result in column.results.values()
        if not result.green
    ]
    over = ["", taken_over(made.reused, made.observed)] if made.reused else []
    head = [f"{GLYPHS[verdict]} {verdict}" for verdict in verdicts]
    parts = ["## Batch normalisation: conformance", *table(["target", "environment", *head, "not run"], rows), *over]
    parts += (
        ["", "### Needs a look", *capped(["verdict", "target", "case", "why"], red)] if red else ["", "Nothing is red."]
    )
    return "\n".join(parts) + "\n"


def comparison(made: Comparison) -> str:
    """How many changes of which kind, then each of them; what is the same is only counted."""
    parts = ["## Batch normalisation: what changed", *table(list(KINDS), [[str(n) for n in made.counts.values()]])]
    for kind in SHOWN:
        if found := made.of(kind):
            rows = [[code(one.target), code(one.case), verdicts(one), plain(reason(one))] for one in found]
            parts += [
                "",
                f"### {kind.capitalize()}: {KINDS[kind]}",
                *capped(["target", "case", "verdict", "why"], rows),
            ]
    return "\n".join(parts) + "\n"


def verdicts(change: Change) -> str:
    """From which verdict to which."""
    return " → ".join(
        f"{GLYPHS[side.verdict]} {side.verdict}" if side else "not run" for side in (change.before, change.after)
    )


def reason(change: Change) -> str:
    """Why it is now what it is; of what is gone, what it was."""
    side = change.after or change.before
    return why(side) if side else ""


def capped(head: Sequence[str], rows: list[list[str]]) -> list[str]:
    """A table of not too many rows; how many are left out is said."""
    left = len(rows) - MOST
    return [*table(head, rows[:MOST]), *([f"\nand {left:,} more"] if left > 0 else [])]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [line(head), line(["---"] * len(head)), *map(line, rows)]


def line(cells: Sequence[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cells) + " |"


def code(text: str) -> str:
    """An id or a name as code, in which only a pipe and a backtick mean anything."""
    said = short(text).replace("`", "'").replace("|", "\\|")
    return f"`{said}`"


def plain(text: str) -> str:
    """A text that means nothing to Markdown or HTML."""
    return re.sub(r"([\\`*\[\]<>#!|~&@])", lambda sign: f"&#{ord(sign[1])};", short(text))


def short(text: str) -> str:
    """A text on one line, and not too long."""
    return " ".join(fit(text if len(text) <= LONGEST else text[:LONGEST] + " …").split())
