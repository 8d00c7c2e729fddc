"""A list of known divergences against run files: what each entry excuses, and the list brought up to date."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance import known
from conformance.load import decode, read
from conformance.report import Column
from conformance.strict_yaml import parse

_NONE, _BARE = re.compile(r"^known: *\[ *\]"), re.compile(r"^known:(?= *(#|$))")


@dataclass(frozen=True, slots=True)
class Use:
    """An entry, how many divergences it excuses, and the cases of targets (label, case) that it speaks of in vain.

    run: whether any target that it names was run, in whatever version.
    """

    entry: known.Entry
    excused: int
    healed: list[tuple[str, str]]
    run: bool = True

    @property
    def idle(self) -> bool:
        """Whether it matches nothing of what was run; one whose target was not run has nothing to match."""
        return self.run and not self.excused and not self.healed and not self.entry.unsteady


def uses(entries: Sequence[known.Entry], columns: Sequence[Column]) -> list[Use]:
    """What each entry does in some runs that were judged without a list."""
    return [_use(entry, columns) for entry in entries]


def _use(entry: known.Entry, columns: Sequence[Column]) -> Use:
    met = [
        (column.target.label, result.case, result.verdict)
        for column in columns
        if entry.speaks_of(column.target)
        for result in column.results.values()
        if entry.covers(result.case)
    ]
    excused = sum(verdict in known.RED for _, _, verdict in met)
    healed = [(label, case) for label, case, verdict in met if verdict == "conforms" and not entry.unsteady]
    return Use(entry, excused, healed, any(entry.names(column.target) for column in columns))


def missing(entries: Sequence[known.Entry], columns: Sequence[Column]) -> Iterator[tuple[str, str, str]]:
    """(target, case, explanation) of what is red and on no entry; all modes in one where they are red alike."""
    for adapter in dict.fromkeys(column.target.adapter for column in columns):
        several = [column for column in columns if column.target.adapter == adapter]
        for case in dict.fromkeys(case for column in several for case in column.results):
            having = [column for column in several if case in column.results]
            red = [
                column
                for column in having
                if column.results[case].verdict in known.RED
                and not any(entry.matches(column.target, case) for entry in entries)
            ]
            if red and len(red) == len(having) > 1:
                yield f"{adapter}[*", case, red[0].results[case].explanation
            else:
                yield from ((column.target.label, case, column.results[case].explanation) for column in red)


def updated(path: Path, columns: Sequence[Column]) -> str:
    """The text of a list without the entries that are healed, and with one for the rest whose reason is to be written.

    Entries about targets that were not run stay, and so does every comment.
    """
    text = decode(read(path), str(path)) if path.exists() else "known:\n"
    entries = known.load(path) if path.exists() else []
    lines = [_NONE.sub("known:", line) for line in text.splitlines()]
    marks = parse(text, str(path)).marks if entries else {}
    starts = [marks["known", index][0] - 1 for index in range(len(entries))]
    ends = [*starts[1:], len(lines)]
    left = len(entries)
    for use, start, end in reversed(list(zip(uses(entries, columns), starts, ends, strict=False))):
        if use.healed and not use.excused:
            del lines[start : _last(lines, start, end)]
            left -= 1
    for target, case, explanation in missing(entries, columns):
        left += 1
        lines += [f"  - target: {target}", f"    case: {case}", f"    reason: {known.TODO}"]
        lines[-1] += f"  # {explanation}" if explanation else ""
    return "\n".join(lines if left else [_BARE.sub("known: []", line) for line in lines]) + "\n"


def _last(lines: list[str], start: int, end: int) -> int:
    """Where an entry ends that goes on until a line: before comments and empty lines, which are about what follows."""
    while end - 1 > start and lines[end - 1].lstrip()[:1] in ("#", ""):
        end -= 1
    return end
