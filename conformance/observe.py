"""Has targets answer cases: one host per target, restarted after a crash or a hang."""

from __future__ import annotations

import contextlib
import itertools
import json
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from conformance.case import Case
from conformance.plan import request
from conformance.process import Host, Interpreter, Stopped, clean
from conformance.runs import well_formed

AHEAD = 8


def is_answer(raw: bytes, case_id: str) -> bool:
    """Whether a line is an observation of a case."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(line, dict) and line.get("id") == case_id and "steps" in line and well_formed(line)


@dataclass
class Conversation:
    """The cases that one target still has to answer."""

    todo: Iterator[Case]
    record: Callable[[str, bytes], None]
    waiting: deque[Case] = field(default_factory=deque)

    async def go_on(self, host: Host) -> None:
        """Send and receive until all is answered; Stopped when the host is gone."""
        for case in self.waiting:
            host.send(request(case))
        while True:
            for case in itertools.islice(self.todo, AHEAD - len(self.waiting)):
                self.waiting.append(case)
                host.send(request(case))
            if not self.waiting:
                return
            raw = await host.line(host.settings.timeout)
            worded = b'"raised"' in raw or b'"unsupported"' in raw
            self.answered(clean(raw.decode("utf-8", "replace"), host.folder).encode() if worded else raw)

    def answered(self, raw: bytes) -> None:
        """Record the answer to the case that waits longest; anything else that comes is an error of its own."""
        case = self.waiting[0]
        if not is_answer(raw, case.id):
            raise Stopped("errored", f"what came back is no answer to this case: {raw[:200]!r}")
        self.waiting.popleft()
        self.record(case.id, raw)

    def give_up(self, verdict: str, reason: str) -> None:
        """Record what happened to the case that the host was on."""
        case = self.waiting.popleft()
        self.record(case.id, json.dumps({"id": case.id, verdict: reason}).encode())


@dataclass
class Sitting:
    """A target that answers cases, in as many processes as its crashes and hangs make necessary."""

    adapter: Path
    mode: str
    settings: Interpreter
    folder: Path
    host: Host | None = None

    async def answer(self, cases: Iterable[Case], record: Callable[[str, bytes], None]) -> None:
        """Have cases answered, each line recorded as it comes."""
        conversation = Conversation(iter(cases), record)
        while True:
            host = self.host or await self.begin()
            try:
                await conversation.go_on(host)
            except (Stopped, ConnectionError) as error:
                self.host = None
                await _after(host, conversation, error)
            else:
                return

    async def begin(self, started: Host | None = None) -> Host:
        """Start a process, or take one that has been started, and tell it the mode."""
        folder = tempfile.mkdtemp(dir=self.folder)
        self.host = started or await Host.start(self.adapter, self.settings, folder)
        self.host.folder, self.host.process.log = folder, b""
        self.host.begin(self.mode)
        return self.host

    async def turn_to(self, mode: str) -> None:
        """Go on in another mode, in the same process if there is one."""
        self.mode = mode
        if self.host is not None:
            await self.begin(self.host)

    async def close(self) -> None:
        """Let the process end."""
        host, self.host = self.host, None
        if host is not None:
            await host.close()

    async def kill(self) -> None:
        """End the process at once."""
        if self.host is not None:
            await self.host.kill()


@contextlib.asynccontextmanager
async def seated(adapter: Path, mode: str, settings: Interpreter) -> AsyncIterator[Sitting]:
    """A sitting with a folder of its own, whose process is ended."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        sitting = Sitting(adapter, mode, settings, Path(folder))
        try:
            yield sitting
            await sitting.close()
        except BaseException:
            await sitting.kill()
            raise


async def observe(
    adapter: Path, mode: str, settings: Interpreter, cases: Iterable[Case], record: Callable[[str, bytes], None]
) -> None:
    """Have a target answer cases and end its process."""
    async with seated(adapter, mode, settings) as sitting:
        await sitting.answer(cases, record)


async def _after(host: Host, conversation: Conversation, error: Stopped | ConnectionError) -> None:
    """Put down what ended a host, with its last words."""
    verdict, reason = ("crashed", str(error)) if isinstance(error, ConnectionError) else (error.verdict, error.reason)
    await host.kill()
    conversation.give_up(verdict, f"{reason}\n{host.last_words()}".strip())


def elapsed(started: float) -> float:
    """Seconds since a time of the monotonic clock."""
    return round(time.monotonic() - started, 3)
