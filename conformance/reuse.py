"""What a run is a run of, and which lines of an earlier run of the same still hold."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance import __version__, digests
from conformance.adapters import Adapter
from conformance.cache import Surroundings
from conformance.corpus import Corpus
from conformance.process import HOST, Interpreter
from conformance.runs import Header, Run, Target, read
from conformance.scope import concerned, scopes
from conformance.strict_yaml import BadInput

SAME = ("suite", "python", "platform", "adapter", "host", "versions", "settings")
ENDED = {"crashed", "hung", "errored"}
_CROWDED = re.compile(
    rb'"raised": ?\["(\w*IOError|OSError|MemoryError|PermissionError|BlockingIOError|BrokenPipeError)"'
    rb"|No space left|Disk quota|Read-only file system|Too many open files|File too large"
    rb"|Cannot allocate|out of memory|died with <Signals",
    re.IGNORECASE,
)


def make_header(
    adapter: Adapter, mode: str, corpus: Corpus, interpreter: Interpreter, introduction: Mapping[str, Any]
) -> Header:
    """Everything that says what this run is a run of."""
    said = introduction["ready"]
    target = Target(adapter.name, mode, said["framework"], said["version"], said.get("backend", ""), interpreter.device)
    about = list(scopes(said).get(mode, ()))
    provenance = {
        "suite": __version__,
        "python": introduction.get("python", ""),
        "platform": introduction.get("platform", ""),
        "adapter": digests.of_file(adapter.path),
        "host": digests.of_file(HOST),
        "versions": introduction.get("versions", {}),
        "settings": {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), **interpreter.environment},
        "timeout": interpreter.timeout,
        "started": now(),
        **({"about": about} if about else {}),
    }
    asked = {case_id: corpus.digests[case_id] for case_id in concerned(corpus, about)}
    return Header(target, {**said["dialect"], **said["modes"][mode]}, provenance, asked)


def reusable(path: Path, header: Header, *, resume: bool) -> Run | None:
    """An earlier run with only those of its lines that still hold, or none.

    They do in surroundings that are known and the same; whoever resumes answers for all but the files themselves.
    """
    earlier = _same(path, header)
    if earlier is None:
        return None
    there, here = around(earlier.header), around(header)
    known = "uncertain" not in here and "uncertain" not in there
    alike = not known or there["files"] == here["files"] if resume else known and there == here
    return replace(earlier, places=dict(_places(earlier, header))) if alike else None


def around(header: Header) -> Surroundings:
    """The surroundings that a header tells of."""
    told = header.provenance.get("surroundings")
    return told if isinstance(told, dict) else {"uncertain": "nobody looked"}


def _same(path: Path, header: Header) -> Run | None:
    """An earlier run of the same target with the same dialect, versions and settings."""
    try:
        earlier = read(path)
    except BadInput:
        return None
    if earlier.header.target != header.target or earlier.header.dialect != header.dialect:
        return None
    there, here = earlier.header.provenance, header.provenance
    return earlier if all(there.get(name) == here[name] for name in SAME) else None


def _places(earlier: Run, header: Header) -> Iterator[tuple[str, int]]:
    """The places of the lines of cases that are asked for, have not changed, and were answered."""
    for case_id, raw in earlier.raw():
        unchanged = case_id in header.cases and earlier.header.cases.get(case_id) == header.cases[case_id]
        if unchanged and finished(raw):
            yield case_id, earlier.places[case_id]


def finished(raw: bytes) -> bool:
    """Whether a line is what a target does: not how its process ended, nor that the machine had no room for it."""
    line = json.loads(raw)
    return "steps" in line and not ENDED & line.keys() and not _CROWDED.search(raw)


def now() -> str:
    """The time, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
