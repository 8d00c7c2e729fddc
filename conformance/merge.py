"""Run files of one target, from many machines -> one; what does not belong together is refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance import shards
from conformance.runs import Header, Run, Writer, read
from conformance.strict_yaml import BadInput, Problem

SAME = ("suite", "corpus", "python", "adapter", "host", "versions", "settings", "about", "repeat")
PARTS = ("shard", "platform", "timeout", "command", "started")


def merge(out: Path, paths: Sequence[Path]) -> Header:
    """Write one run file from several; BadInput says which of them does not fit, and why."""
    parts = [read(path) for path in paths]
    refuse_unfit(parts)
    header = joined(parts)
    lines = dict(itertools.chain.from_iterable(part.raw() for part in parts))
    writer = Writer(out, header, (lines[case_id] for case_id in header.cases if case_id in lines))
    writer.close(footer(parts))
    return header


def refuse_unfit(parts: Sequence[Run]) -> None:
    """BadInput with everything that speaks against joining these runs."""
    problems = [Problem(str(part.path), 1, 1, reason) for part in parts for reason in unfit(part, parts[0])]
    seen: dict[str, Run] = {}
    for part in parts:
        for case_id in part.header.cases:
            other = seen.setdefault(case_id, part)
            if other is not part:
                problems.append(Problem(str(part.path), 1, 1, f"{case_id} is in {other.path.name} as well"))
                break
    problems += missing(parts)
    if problems:
        raise BadInput(problems)


def unfit(part: Run, first: Run) -> Iterator[str]:
    """What speaks against a run by itself, and next to the first one."""
    if not part.complete:
        yield "this run was cut off: it has no footer; go on with --resume"
    if "unavailable" in part.header.provenance:
        yield "this target could not be run there"
    for what, here, there in compared(part.header, first.header):
        if here != there:
            yield f"another {what} than in {first.path.name}: {told(here)}, and there {told(there)}"


def compared(here: Header, there: Header) -> Iterator[tuple[str, Any, Any]]:
    """What has to be the same: (what, here, there)."""
    yield "target", f"{here.target.label} {here.target.environment}", f"{there.target.label} {there.target.environment}"
    yield "dialect", here.dialect, there.dialect
    for name in SAME:
        yield name, here.provenance.get(name), there.provenance.get(name)


def told(value: object) -> str:
    """A value in a message, not longer than a line."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 200 else text[:200] + " …"


def missing(parts: Sequence[Run]) -> Iterator[Problem]:
    """Shards that were not given, where the runs are shards."""
    texts = [str(part.header.provenance["shard"]) for part in parts if "shard" in part.header.provenance]
    given = set(texts)
    for count in sorted({text.partition("/")[2] for text in texts}):
        wanted = (f"{index}/{count}" for index in range(1, shards.parse(f"1/{count}").count + 1))
        absent = [shard for shard in wanted if shard not in given]
        if absent:
            yield Problem(str(parts[0].path), 1, 1, f"of its shards, {', '.join(absent[:5])} is not among these runs")


def joined(parts: Sequence[Run]) -> Header:
    """The header of all together: what was the same once, what was not for each part; cases in the order of ids."""
    first = parts[0].header
    provenance = {name: value for name, value in first.provenance.items() if name not in PARTS}
    each = [{name: part.header.provenance.get(name) for name in PARTS} for part in parts]
    same = {name: each[0][name] for name in PARTS if all(one[name] == each[0][name] for one in each)}
    cases: Mapping[str, str] = dict(sorted(pair for part in parts for pair in part.header.cases.items()))
    return replace(first, provenance={**provenance, **same, "parts": each}, cases=cases)


def footer(parts: Sequence[Run]) -> dict[str, Any]:
    """The end of all together; seconds are added up."""
    ends = [part.end for part in parts]
    slowest = sorted(
        (pair for end in ends for pair in dict(end.get("slowest", {})).items()), key=lambda pair: -float(pair[1])
    )
    counted = {name: sum(end.get(name, 0) for end in ends) for name in ("seconds", "elsewhere", "cached")}
    unsteady = {case_id: what for end in ends for case_id, what in dict(end.get("unsteady", {})).items()}
    finished = max(str(end.get("finished", "")) for end in ends)
    return {
        "finished": finished,
        **{name: round(value, 3) for name, value in counted.items()},
        "slowest": dict(slowest[:5]),
        **({"unsteady": unsteady} if unsteady else {}),
    }
