"""Inferred dialects, kept beside the runs that they were inferred from: `inferred.json`, which `infer --write` makes.

A report uses what is kept only while the run file, and the cases that are still what was run, are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from conformance import digests
from conformance.corpus import Corpus
from conformance.dialect import KNOBS
from conformance.infer import Inferred
from conformance.runs import Run, write
from conformance.strict_yaml import BadInput, Problem

FILE = "inferred.json"
FEW = 3


class Part(BaseModel):
    """Nothing is there that is not named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cases(Part):
    """How many cases there are, and the first of them."""

    count: int
    first: Sequence[str]


class Exceptional(Part):
    """What holds in some cases only, in words."""

    said: str
    cases: Cases


class Kept(Part):
    """An inferred dialect: for each knob the values that are left, and the cases that refute the others."""

    digest: str
    cases: int
    left: Mapping[str, Sequence[str]]
    proofs: Mapping[str, Cases]
    exceptions: Sequence[Exceptional]
    unexplained: Sequence[str]


KEPT = TypeAdapter(dict[str, Kept])


def kept(found: Inferred, digest: str, cases: int, said: Sequence[str]) -> Kept:
    """What is kept of an inferred dialect; said: its exceptions in words."""
    return Kept(
        digest=digest,
        cases=cases,
        left={knob: found.left(knob) for knob in KNOBS},
        proofs={knob: few(proofs) for knob in KNOBS if (proofs := found.proofs(knob))},
        exceptions=[
            Exceptional(said=words, cases=few(one.cases)) for words, one in zip(said, found.exceptions, strict=True)
        ],
        unexplained=found.unexplained,
    )


def few(cases: Sequence[str]) -> Cases:
    """Their number and the first of them."""
    return Cases(count=len(cases), first=list(cases[:FEW]))


def digest(run: Run, corpus: Corpus) -> str:
    """What an inference depends on: the bytes of the run, and the cases that are still what was run."""
    same = (f"{name}\n" for name, asked in run.header.cases.items() if name in corpus and corpus.digest(name) == asked)
    return digests.of(run.path.read_bytes() + "".join(same).encode())


def load(folder: Path) -> dict[str, Kept]:
    """What is kept in a folder of runs, by the name of the run file."""
    path = folder / FILE
    return _load(path, path.stat().st_mtime_ns) if path.is_file() else {}


@lru_cache(maxsize=8)
def _load(path: Path, changed: int) -> dict[str, Kept]:  # noqa: ARG001 - a file that has changed is another one
    try:
        return KEPT.validate_json(path.read_bytes())
    except ValidationError as error:
        message = f"this is not what `infer --write` writes, remove it ({error.error_count()} errors)"
        raise BadInput([Problem(str(path), 1, 1, message)]) from None


def save(folder: Path, new: Mapping[str, Kept]) -> None:
    """Keep more; what is kept of runs that are no longer there goes."""
    every = {name: one for name, one in {**load(folder), **new}.items() if (folder / name).is_file()}
    write(folder / FILE, KEPT.dump_json(dict(sorted(every.items())), indent=1) + b"\n")


def of(run: Run, corpus: Corpus) -> Kept | None:
    """What is kept of a run, if it is still about this run and these cases."""
    found = load(run.path.parent).get(run.path.name)
    return found if found and found.digest == digest(run, corpus) else None
