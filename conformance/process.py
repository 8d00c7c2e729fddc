"""One process of a framework's own interpreter: started, spoken to line by line, ended whatever it does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.program import Program
from conformance.runs import LONGEST_LINE

HOST = Path(__file__).with_name("host.py")
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

    def __init__(self, process: Program, settings: Interpreter, folder: str) -> None:
        self.process, self.settings, self.folder = process, settings, folder
        self.introduction: dict[str, Any] = {}

    @classmethod
    async def start(cls, adapter: Path, settings: Interpreter, folder: str) -> Host:
        """Start the framework's interpreter on an adapter and read what the adapter says of itself."""
        environment = {"OMP_NUM_THREADS": "1", **os.environ, **settings.environment}
        try:
            process = await Program.start(settings.command(adapter.resolve()), environment, LONGEST_LINE)
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
        self.process.requests.write(json.dumps(line).encode("ascii") + b"\n")

    async def line(self, timeout: float) -> bytes:
        """The next line of the protocol; Stopped says what came instead."""
        try:
            async with asyncio.timeout(timeout):
                raw = await self.process.line()
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
        if not await self.process.ended(10):
            return "the process closed its answers"
        code = self.process.returncode or 0
        if code >= 0:
            return f"the process ended with exit status {code}"
        name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
        return f"the process was ended by {name}"

    async def stack(self) -> None:
        """Let a process that hangs write where it hangs."""
        if hasattr(signal, "SIGABRT") and self.process.returncode is None:
            self.process.transport.send_signal(signal.SIGABRT)
        await self.process.ended(2)

    def last_words(self) -> str:
        """The last that the framework printed."""
        return clean(self.process.log.decode("utf-8", "replace").strip(), self.folder)

    async def kill(self) -> None:
        """End the process and all that it started."""
        await self.process.kill()

    async def close(self) -> None:
        """Let the process end by itself: its input ends."""
        self.process.requests.close()
        await self.process.ended(10)
        await self.kill()


def clean(text: str, folder: str) -> str:
    """Text of a framework without the places of this machine."""
    return _PLACES.sub(".../", text.replace(folder, "WORKDIR"))
