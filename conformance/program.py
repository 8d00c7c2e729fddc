"""Another program, spoken to in lines: its answers come in batches, what else it prints is kept, its end is seen."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import time
from asyncio import SubprocessTransport
from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast

STDIN, STDOUT, STDERR = range(3)
REST = 0.001  # seconds between two looks at what has been answered
LOG_BYTES = 4000


class Program(asyncio.SubprocessProtocol):
    """A running program that leads a process group of its own.

    Its answers are taken a batch at a time: being woken for every line would cost both sides more than the line itself.
    """

    def __init__(self, longest: int) -> None:
        self.transport: SubprocessTransport
        self.longest = longest
        self.lines, self.rest, self.rested = deque[bytes](), bytearray(), 0.0
        self.arrived, self.gone, self.silent = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.log, self.closed, self.killed = b"", False, False

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str], longest: int) -> Program:
        """Start a program whose lines have at most so many bytes; OSError where it cannot be started."""
        program = cls(longest)
        starting = asyncio.get_running_loop().subprocess_exec(
            lambda: program, *command, env=environment, start_new_session=True
        )
        started = asyncio.ensure_future(starting)
        try:
            await asyncio.shield(started)
        except asyncio.CancelledError:  # let it be started to the end: cancelled halfway, asyncio waits for ever
            await started
            await program.kill()
            raise
        return program

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It has been started."""
        self.transport = cast(SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take up what it has said, and read no further before somebody has read the lines."""
        if fd == STDERR:
            self.log = (self.log + data)[-LOG_BYTES:]
            return
        whole, newline, rest = data.rpartition(b"\n")
        if newline:
            self.lines.extend(io.BytesIO(self.rest + whole + newline))
            self.rest, self.rested = bytearray(), time.monotonic() + REST
        self.rest += rest
        if self.lines or len(self.rest) > self.longest:
            self.answers.pause_reading()
            self.arrived.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002
        """It says no more, or hears no more."""
        if fd == STDERR:
            self.silent.set()
        if fd == STDOUT:
            self.closed = True
            self.arrived.set()

    def process_exited(self) -> None:
        """It has ended; its pipes may live on in what it started."""
        self.gone.set()

    @property
    def answers(self) -> asyncio.ReadTransport:
        """The pipe that is read."""
        return cast(asyncio.ReadTransport, self.transport.get_pipe_transport(STDOUT))

    @property
    def requests(self) -> asyncio.WriteTransport:
        """The pipe that is written."""
        return cast(asyncio.WriteTransport, self.transport.get_pipe_transport(STDIN))

    @property
    def pid(self) -> int:
        """The number of the process and of its group."""
        return self.transport.get_pid()

    @property
    def returncode(self) -> int | None:
        """How it ended, None while it runs."""
        return self.transport.get_returncode()

    async def line(self) -> bytes:
        """The next line with its end, or what is left when no more can come; ValueError if it is far too long."""
        if not self.lines and not self.closed and len(self.rest) <= self.longest:
            self.arrived.clear()
            await asyncio.sleep(self.rested - time.monotonic())
            self.answers.resume_reading()
            await self.arrived.wait()
        line = self.lines.popleft() if self.lines else bytes(self.rest)
        if len(line) > self.longest:
            raise ValueError(f"longer than {self.longest:,} bytes")
        return line

    async def ended(self, timeout: float) -> bool:
        """Whether the process itself ends in time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.gone.wait(), timeout)
        return self.gone.is_set()

    async def kill(self) -> None:
        """End it and all that it started, once: later its number may be another's."""
        if self.killed:
            return
        self.killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await self.ended(10)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.silent.wait(), 1)
        self.transport.close()  # a daemon may hold the pipes
