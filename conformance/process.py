"""One process of a framework's own interpreter: started, spoken to line by line, ended whatever it does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.runs import LONGEST_LINE

HOST = Path(__file__).with_name("host.py")
LOG_BYTES = 4000
_PLACES = re.compile(
    r"(?:(?<![\w.])|(?<=\\[nrt]))/(?:[^\s/:'\"\\]+/)+?(?=site-packages/|lib/python3|[\w.]+\.py\b|[\w.-]+:\d)"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Where a target runs: the framework's interpreter, what it adds to the environment, and the limits."""

    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    device: str = "cpu"
    timeout: float = 60.0
    patience: float = 300.0

    def command(self, adapter: Path) -> list[str]:
        """How an adapter is started: in Python through the host; any other program speaks the protocol itself."""
        if adapter.suffix != ".py":
            return [self.python, str(adapter)]
        return [self.python, "-I", "-B", str(HOST), str(adapter), *self.paths]


class Unavailable(Exception):
    """The framework or its interpreter is not there; says why."""

    def __init__(self, reason: str, absent: bool) -> None:
        super().__init__(reason)
        self.reason, self.absent = reason, absent


class Stopped(Exception):
    """The host is gone, or its answers can no longer be trusted: (verdict, reason) for the case that it was on."""

    def __init__(self, verdict: str, reason: str) -> None:
        super().__init__(reason)
        self.verdict, self.reason = verdict, reason


class Host:
    """One process of `host.py`, or of a program that speaks its protocol."""

    def __init__(self, process: asyncio.subprocess.Process, settings: Interpreter, folder: str) -> None:
        self.process, self.settings, self.folder = process, settings, folder
        self.log, self.killed = b"", False
        self.logging = asyncio.ensure_future(self.keep_log())
        self.introduction: dict[str, Any] = {}

    @classmethod
    async def start(cls, adapter: Path, settings: Interpreter, folder: str) -> Host:
        """Start the framework's interpreter on an adapter and read what the adapter says of itself."""
        environment = {"OMP_NUM_THREADS": "1", **os.environ, **settings.environment}
        pipe = asyncio.subprocess.PIPE
        try:
            process = await _uninterrupted(
                asyncio.create_subprocess_exec(
                    *settings.command(adapter.resolve()),
                    stdin=pipe,
                    stdout=pipe,
                    stderr=pipe,
                    env=environment,
                    limit=LONGEST_LINE,
                    start_new_session=True,
                )
            )
        except OSError as error:
            raise Unavailable(f"{settings.python} cannot be started: {error.strerror}", absent=True) from None
        host = cls(process, settings, folder)
        try:
            first = json.loads(await host.line(settings.patience))
            if not isinstance(first, dict):
                raise Stopped("errored", f"its first line is {first!r}")
        except (Stopped, ValueError) as error:
            await host.kill()
            raise Unavailable(f"did not start: {error}\n{host.last_words()}".strip(), absent=False) from None
        except BaseException:
            await host.kill()
            raise
        if "ready" not in first:
            await host.kill()
            kind, message = first.get("failed", ["no introduction", ""])
            absent = kind in ("ModuleNotFoundError", "ImportError")
            raise Unavailable(f"{kind}: {clean(message, folder)}", absent)
        host.introduction = first
        return host

    def begin(self, mode: str) -> None:
        """Tell the host how to drive the adapter."""
        self.send({"mode": mode, "device": self.settings.device, "workdir": self.folder})

    def send(self, line: Mapping[str, Any]) -> None:
        """Send one line, without waiting for it to be read."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line).encode("ascii") + b"\n")

    async def line(self, timeout: float) -> bytes:
        """The next line of the protocol; Stopped says what came instead."""
        assert self.process.stdout is not None
        try:
            raw = await asyncio.wait_for(self.process.stdout.readline(), timeout)
        except TimeoutError:
            await self.stack()
            raise Stopped("hung", f"no answer within {timeout:g} s") from None
        except ValueError:
            raise Stopped("errored", f"the answer is longer than {LONGEST_LINE:,} bytes") from None
        if not raw.endswith(b"\n"):
            raise Stopped("crashed", await self.ending() + (", in the middle of its answer" if raw else ""))
        return raw

    async def ending(self) -> str:
        """How the process ended."""
        if not await self.ended(10):
            return "the process closed its answers"
        code = self.process.returncode or 0
        if code >= 0:
            return f"the process ended with exit status {code}"
        name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
        return f"the process was ended by {name}"

    async def ended(self, timeout: float) -> bool:
        """Whether the process itself ends in time; its pipes may live on in what it started."""
        until = time.monotonic() + timeout
        while self.process.returncode is None and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # asyncio's own wait() waits for the pipes too
        return self.process.returncode is not None

    async def stack(self) -> None:
        """Let a process that hangs write where it hangs."""
        if hasattr(signal, "SIGABRT") and self.process.returncode is None:
            self.process.send_signal(signal.SIGABRT)
        await self.ended(2)

    async def keep_log(self) -> None:
        """Keep the end of what the framework prints."""
        assert self.process.stderr is not None
        while chunk := await self.process.stderr.read(65536):
            self.log = (self.log + chunk)[-LOG_BYTES:]

    def last_words(self) -> str:
        """The last that the framework printed."""
        return clean(self.log.decode("utf-8", "replace").strip(), self.folder)

    async def kill(self) -> None:
        """End the process and all that it started, once: later its number may be another's."""
        if self.killed:
            return
        self.killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.ended(10)
        await asyncio.wait({self.logging}, timeout=1)
        self.logging.cancel()
        self.process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - a daemon may hold the pipes

    async def close(self) -> None:
        """Let the process end by itself: its input ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.ended(10)
        await self.kill()


async def _uninterrupted(starting: Coroutine[Any, Any, Process]) -> Process:
    """A process, started to the end even when the waiting is cancelled: cancelled halfway, asyncio waits for ever."""
    task = asyncio.ensure_future(starting)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        (await task).kill()
        raise


def clean(text: str, folder: str) -> str:
    """Text of a framework without the places of this machine."""
    return _PLACES.sub(".../", text.replace(folder, "WORKDIR"))
