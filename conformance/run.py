"""Runs adapters side by side, each in its framework's own process, and writes a run file for every target."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from conformance import __version__
from conformance.adapters import Adapter
from conformance.case import Case
from conformance.corpus import Corpus
from conformance.dialect import STANDARD
from conformance.observe import elapsed, observe
from conformance.process import HOST, Host, Interpreter, Unavailable
from conformance.repeat import Repeated
from conformance.runs import Header, Target, Writer, read
from conformance.scope import concerned, scopes
from conformance.shards import file_digest
from conformance.spent import Spent
from conformance.strict_yaml import BadInput

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """What to run: adapters in modes, on cases, with an interpreter, into a folder.

    asked_for: they were named; repeat: how often each case is answered; noted: what else the header says.
    """

    adapters: Sequence[Adapter]
    modes: tuple[str, ...]
    corpus: Corpus
    interpreter: Interpreter
    folder: Path
    resume: bool = False
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    command: tuple[str, ...] = ()
    asked_for: bool = True
    repeat: int = 1
    noted: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ran:
    """A run file that has been written, or the reason why there is none."""

    adapter: Adapter
    path: Path | None = None
    reason: str = ""
    absent: bool = False


class Watch:
    """Told of progress; the command line shows it."""

    def begin(self, target: Target, cases: int) -> None:
        """A target starts, with so many cases to answer."""

    def answered(self, target: Target) -> None:
        """A target has answered a case."""


def run(job: Job, watch: Watch) -> list[Ran]:
    """Run everything; KeyboardInterrupt leaves readable run files behind."""
    return asyncio.run(_all(job, watch))


async def _all(job: Job, watch: Watch) -> list[Ran]:
    places = asyncio.Semaphore(job.workers)
    groups = await _together(_adapter(job, adapter, places, watch) for adapter in job.adapters)
    return [ran for group in groups for ran in group]


async def _together(running: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results; when one of them fails the others are ended, and have ended, before that goes on."""
    tasks = [asyncio.ensure_future(each) for each in running]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _adapter(job: Job, adapter: Adapter, places: asyncio.Semaphore, watch: Watch) -> list[Ran]:
    """Ask the adapter for its modes and run a target for each that is wanted, the first in the process that asked."""
    async with places:
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            try:
                host, modes = await introduced(adapter, job.interpreter, job.modes, folder)
            except Unavailable as error:
                if job.asked_for:
                    write_unavailable(job, adapter, error.reason)
                return [Ran(adapter, None, error.reason, error.absent)]
            unavailable_path(job, adapter).unlink(missing_ok=True)
            if not modes:
                await host.kill()
                return []
            first = await _target(job, adapter, modes[0], host, host.introduction, watch)
    return [first, *await _together(_later(job, adapter, mode, host, places, watch) for mode in modes[1:])]


async def introduced(
    adapter: Adapter, interpreter: Interpreter, chosen: tuple[str, ...], folder: str
) -> tuple[Host, list[str]]:
    """A host that has been started, and the modes to run; Unavailable leaves no process behind."""
    host = await Host.start(adapter.path, interpreter, folder)
    try:
        return host, wanted(adapter, host.introduction["ready"], chosen)
    except Unavailable:
        await host.kill()
        raise


async def _later(job: Job, adapter: Adapter, mode: str, first: Host, places: asyncio.Semaphore, watch: Watch) -> Ran:
    async with places:
        return await _target(job, adapter, mode, None, first.introduction, watch)


def wanted(adapter: Adapter, said: Any, chosen: tuple[str, ...]) -> list[str]:
    """The modes to run, all or those chosen, after a look at whether what the adapter says of itself holds together."""
    try:
        modes, declared = dict(said["modes"]), dict(said["dialect"])
        for departures in modes.values():
            STANDARD.under({**declared, **departures})
        scopes(said)
        texts = [said["framework"], said["version"], said.get("backend", ""), *modes]
        if not modes or not all(isinstance(text, str) for text in texts):
            raise TypeError("framework, version, backend and modes are texts, and there is a mode at least")
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"describe() of {adapter.name} is not whole: {error}", absent=False) from None
    return [mode for mode in modes if not chosen or mode in chosen]


async def _target(
    job: Job, adapter: Adapter, mode: str, host: Host | None, introduction: dict[str, Any], watch: Watch
) -> Ran:
    """Run one target into its run file."""
    started = time.monotonic()
    header = make_header(job, adapter, mode, introduction)
    if not header.cases:
        if host is not None:
            await host.kill()
        return Ran(adapter)
    path = job.folder / f"{header.target.name}.jsonl"
    kept = dict(resumable(path, header)) if job.resume else {}
    todo: Iterator[Case] = (job.corpus.case(case_id) for case_id in header.cases if case_id not in kept)
    writer = Writer(path, header, iter(kept.items()))

    spent = Spent()

    def record(case_id: str, raw: bytes) -> None:
        writer.raw(raw)
        spent.note(case_id, raw)
        watch.answered(header.target)

    repeated = Repeated(job.repeat, record)
    watch.begin(header.target, len(header.cases) - len(kept))
    end = None
    try:
        await observe(adapter.path, mode, job.interpreter, repeated.each(todo), repeated, host)
        end = {"finished": now(), **spent.told(elapsed(started)), **repeated.told()}
    except Unavailable as error:
        return Ran(adapter, path, f"did not start again: {error.reason}")
    finally:
        writer.close(end)
    return Ran(adapter, path)


def make_header(job: Job, adapter: Adapter, mode: str, introduction: dict[str, Any]) -> Header:
    """Everything that says what this run is a run of."""
    said = introduction["ready"]
    target = Target(
        adapter.name, mode, said["framework"], said["version"], said.get("backend", ""), job.interpreter.device
    )
    about = list(scopes(said).get(mode, ()))
    provenance = {
        "suite": __version__,
        "python": introduction.get("python", ""),
        "platform": introduction.get("platform", ""),
        "adapter": file_digest(adapter.path),
        "host": file_digest(HOST),
        "versions": introduction.get("versions", {}),
        "settings": {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), **job.interpreter.environment},
        "timeout": job.interpreter.timeout,
        "command": list(job.command),
        "started": now(),
        **({"about": about} if about else {}),
        **job.noted,
    }
    digests = {case_id: job.corpus.digests[case_id] for case_id in concerned(job.corpus, about)}
    return Header(target, {**said["dialect"], **said["modes"][mode]}, provenance, digests)


def unavailable_path(job: Job, adapter: Adapter) -> Path:
    """Where it is said that an adapter could not be run."""
    return job.folder / f"{adapter.name}-unavailable.jsonl"


def write_unavailable(job: Job, adapter: Adapter, reason: str) -> None:
    """Say in the place of its run files why an adapter that was asked for could not be run."""
    target = Target(adapter.name, "unavailable", "", "", "", job.interpreter.device)
    provenance = {"suite": __version__, "command": list(job.command), "started": now(), "unavailable": reason}
    writer = Writer(unavailable_path(job, adapter), Header(target, {}, provenance, dict(job.corpus.digests)))
    writer.close({"finished": now(), "seconds": 0})


def resumable(path: Path, header: Header) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of an earlier run of the same target that still hold: same versions, same dialect, unchanged cases."""
    try:
        earlier = read(path)
    except BadInput:
        return
    same = ("suite", "python", "platform", "adapter", "host", "versions", "settings")
    if earlier.header.target != header.target or earlier.header.dialect != header.dialect:
        return
    if any(earlier.header.provenance.get(name) != header.provenance[name] for name in same):
        return
    for case_id, line in earlier.lines():
        if case_id in header.cases and earlier.header.cases.get(case_id) == header.cases[case_id]:
            yield case_id, line


def now() -> str:
    """The time, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
