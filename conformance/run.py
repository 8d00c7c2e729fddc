"""Runs adapters side by side, each in its framework's own process, and writes a run file for every target."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from conformance import __version__
from conformance.adapters import Adapter
from conformance.cache import Cache
from conformance.corpus import Corpus
from conformance.dialect import STANDARD
from conformance.observe import Sitting, elapsed, seated
from conformance.process import Host, Interpreter, Unavailable
from conformance.repeat import Repeated
from conformance.reuse import make_header, now, reusable
from conformance.runs import Header, Run, Target, Writer
from conformance.scope import scopes
from conformance.spent import Spent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """What to run: adapters in modes, on cases, with an interpreter, into a folder.

    asked_for: they were named; repeat: how often each case is answered; noted: what else the header says; cache: what
    tells whether earlier observations still hold; without it there is no looking.
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
    cache: Cache | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One target of a job: what it is a run of, its run file, and the lines of an earlier one that still hold.

    alone: it shares its process with no other mode.
    """

    adapter: Adapter
    header: Header
    path: Path
    kept: Run | None
    alone: bool

    @property
    def todo(self) -> list[str]:
        """The cases that are left to answer."""
        return [case_id for case_id in self.header.cases if self.kept is None or case_id not in self.kept.places]


@dataclass(slots=True)
class Share:
    """The targets of one adapter that are left to run, and what came of the others; known: they have been told."""

    adapter: Adapter
    known: asyncio.Event = field(default_factory=asyncio.Event)
    parts: Sequence[Part] = ()
    left: deque[Part] = field(default_factory=deque)
    done: dict[str, Ran] = field(default_factory=dict)

    def begin(self, parts: Sequence[Part]) -> None:
        """Tell which there are."""
        self.parts = parts
        self.left.extend(parts)
        self.known.set()


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
    """Run a target for each wanted mode of an adapter, where there are places several side by side."""
    share = Share(adapter)
    helpers = (_help(job, share, places, watch) for _ in range(job.workers - 1))
    refused, *_ = await _together([_lead(job, share, places, watch), *helpers])
    return [refused] if refused else [share.done[part.header.target.mode] for part in share.parts]


async def _lead(job: Job, share: Share, places: asyncio.Semaphore, watch: Watch) -> Ran | None:
    """Ask the adapter for its modes, and go through them in that process; what is said where it cannot be started."""
    adapter = share.adapter
    async with places, seated(adapter.path, "", job.interpreter) as sitting:
        parts = remembered(job, adapter)
        if not parts:
            try:
                sitting.host, modes = await introduced(adapter, job.interpreter, job.modes, str(sitting.folder))
            except Unavailable as error:
                if job.asked_for:
                    write_unavailable(job, adapter, error.reason)
                share.begin([])
                return Ran(adapter, None, error.reason, error.absent)
            introduction = sitting.host.introduction
            if job.cache:
                job.cache.remember(adapter, introduction)
            parts = [part_of(job, adapter, mode, introduction) for mode in modes]
        unavailable_path(job, adapter).unlink(missing_ok=True)
        share.begin(parts)
        await _drain(job, share, sitting, watch)
    return None


async def _help(job: Job, share: Share, places: asyncio.Semaphore, watch: Watch) -> None:
    """Take part in an adapter's targets once there is a place, in a process of one's own if any are left by then."""
    await share.known.wait()
    async with places, seated(share.adapter.path, "", job.interpreter) as sitting:
        await _drain(job, share, sitting, watch)


async def _drain(job: Job, share: Share, sitting: Sitting, watch: Watch) -> None:
    """Run targets that are left, all in the same process unless one wants to be alone in it."""
    while share.left:
        part = share.left.popleft()
        if part.alone:
            await sitting.close()
        share.done[part.header.target.mode] = await _target(job, part, sitting, watch)
        if part.alone:
            await sitting.close()


def remembered(job: Job, adapter: Adapter) -> list[Part]:
    """The targets of an adapter, where each is known to be as it was and has nothing left to answer; else none."""
    introduction = job.cache.recall(adapter) if job.cache else None
    if introduction is None:
        return []
    try:
        modes = wanted(adapter, introduction["ready"], job.modes)
    except (KeyError, Unavailable):
        return []
    parts = [part_of(job, adapter, mode, introduction) for mode in modes]
    return [] if any(part.todo for part in parts) else parts


def part_of(job: Job, adapter: Adapter, mode: str, introduction: Mapping[str, Any]) -> Part:
    """A target as this job runs it."""
    header = make_header(adapter, mode, job.corpus, job.interpreter, introduction)
    noted = {"command": list(job.command), **job.noted}
    if job.cache:
        noted["surroundings"] = job.cache.around(adapter)
    header = replace(header, provenance={**header.provenance, **noted})
    path = job.folder / f"{header.target.name}.jsonl"
    reused = reusable(path, header, resume=job.resume) if job.resume or job.cache else None
    alone = adapter.path.suffix != ".py" or mode in introduction["ready"].get("alone", ())
    return Part(adapter, header, path, reused, alone)


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


def wanted(adapter: Adapter, said: Any, chosen: tuple[str, ...]) -> list[str]:
    """The modes to run, all or those chosen, after a look at whether what the adapter says of itself holds together."""
    try:
        modes, declared = dict(said["modes"]), dict(said["dialect"])
        for departures in modes.values():
            STANDARD.under({**declared, **departures})
        scopes(said)
        if not set(said.get("alone", ())) <= set(modes):
            raise ValueError("alone names a mode that there is not")
        texts = [said["framework"], said["version"], said.get("backend", ""), *modes]
        if not modes or not all(isinstance(text, str) for text in texts):
            raise TypeError("framework, version, backend and modes are texts, and there is a mode at least")
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"describe() of {adapter.name} is not whole: {error}", absent=False) from None
    return [mode for mode in modes if not chosen or mode in chosen]


async def _target(job: Job, part: Part, sitting: Sitting, watch: Watch) -> Ran:
    """Run one target into its run file."""
    started = time.monotonic()
    if not part.header.cases:
        return Ran(part.adapter)
    target, todo = part.header.target, part.todo
    writer = Writer(part.path, part.header, (raw for _, raw in part.kept.raw()) if part.kept else ())
    spent = Spent()

    def record(case_id: str, raw: bytes) -> None:
        writer.raw(raw)
        spent.note(case_id, raw)
        watch.answered(target)

    repeated = Repeated(job.repeat, record)
    watch.begin(target, len(todo))
    end = None
    try:
        if todo:
            await sitting.turn_to(target.mode)
            await sitting.answer(repeated.each(job.corpus.case(case_id) for case_id in todo), repeated)
        reused = {"cached": len(part.kept.places)} if part.kept and part.kept.places else {}
        end = {"finished": now(), **spent.told(elapsed(started)), **reused, **repeated.told()}
    except Unavailable as error:
        return Ran(part.adapter, part.path, f"did not start again: {error.reason}")
    finally:
        writer.close(end)
    return Ran(part.adapter, part.path)


def unavailable_path(job: Job, adapter: Adapter) -> Path:
    """Where it is said that an adapter could not be run."""
    return job.folder / f"{adapter.name}-unavailable.jsonl"


def write_unavailable(job: Job, adapter: Adapter, reason: str) -> None:
    """Say in the place of its run files why an adapter that was asked for could not be run."""
    target = Target(adapter.name, "unavailable", "", "", "", job.interpreter.device)
    provenance = {"suite": __version__, "command": list(job.command), "started": now(), "unavailable": reason}
    writer = Writer(unavailable_path(job, adapter), Header(target, {}, provenance, dict(job.corpus.digests)))
    writer.close({"finished": now(), "seconds": 0})
