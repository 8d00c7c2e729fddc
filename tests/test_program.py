"""A program's lines come whole and in order, however it writes them, and no faster than they are read."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import psutil
import pytest

from conformance.program import Program

LONGEST = 1 << 20
MANY = 20_000
PIPE_BYTES = 1 << 18  # more than is read at once


def spoken_to(script: str, talk: Any) -> Any:
    """What comes of talking to a Python script."""

    async def go() -> Any:
        program = await Program.start([sys.executable, "-c", script], os.environ, LONGEST)
        try:
            return await talk(program)
        finally:
            await program.kill()

    return asyncio.run(go())


def test_lines_come_in_order_and_wait_to_be_read() -> None:
    async def talk(program: Program) -> tuple[int, list[bytes]]:
        first = await program.line()
        await asyncio.sleep(0.2)
        waiting = sum(map(len, program.lines))
        return waiting, [first] + [await program.line() for _ in range(MANY - 1)] + [await program.line()]

    waiting, lines = spoken_to(f"for i in range({MANY}): print(i, flush=True)", talk)
    assert waiting < PIPE_BYTES
    assert [b"%d\n" % i for i in range(MANY)] + [b""] == lines


def test_a_line_may_come_in_pieces() -> None:
    script = """
import os, time
for piece in b"one\\ntw", b"o", b"\\n\\nfo", b"ur":
    os.write(1, piece)
    time.sleep(0.05)
"""

    async def talk(program: Program) -> list[bytes]:
        return [await program.line() for _ in range(5)]

    assert [b"one\n", b"two\n", b"\n", b"four", b"four"] == spoken_to(script, talk)


@pytest.mark.parametrize("end", ["", "\\n"])
def test_a_line_that_is_far_too_long_is_not_kept(end: str) -> None:
    async def talk(program: Program) -> int:
        with pytest.raises(ValueError, match="longer than 1,048,576 bytes"):
            await program.line()
        return len(program.rest)

    assert spoken_to(f"import os; os.write(1, b'x' * {3 * LONGEST} + b'{end}')", talk) < 2 * LONGEST


def test_what_it_hears_it_answers_and_what_else_it_prints_is_kept() -> None:
    script = """
import sys
for line in sys.stdin:
    print(line.upper(), end="", flush=True)
    print("heard", line, end="", file=sys.stderr, flush=True)
"""

    async def talk(program: Program) -> tuple[bytes, bool, int | None, bytes]:
        program.requests.write(b"hello\n")
        answer = await program.line()
        program.requests.close()
        return answer, await program.ended(10), program.returncode, program.log

    assert (b"HELLO\n", True, 0, b"heard hello\n") == spoken_to(script, talk)


def test_starting_can_be_broken_off_and_leaves_no_process() -> None:
    async def go() -> None:
        task = asyncio.ensure_future(Program.start([sys.executable, "-c", "input()"], os.environ, LONGEST))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())
    assert [] == [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
