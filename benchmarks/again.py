"""How long a run takes when nothing has changed since the one before, and what the least is that a run can take.

Usage: python benchmarks/again.py [ADAPTER [PYTHON [MODE ...]]]      (by default numpy_demo, in this interpreter)

Prints seconds of wall clock and of CPU, the least of five: the floor (this interpreter starts, imports nothing and
ends); the look around in the framework's interpreter; the first run over the corpus, once; and the run after it.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.cache import LOOK
from conformance.runs import read

TIMES = 5
SETTINGS = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as installed


def seconds(command, times=TIMES):
    """The least that a command takes, by both clocks."""
    wall, cpu = [], []
    for _ in range(times):
        started, before = time.monotonic(), os.times()
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=SETTINGS)
        wall.append(time.monotonic() - started)
        cpu.append(sum(os.times()[2:4]) - sum(before[2:4]))
        if done.returncode not in (0, 1):
            sys.exit(done.stdout + done.stderr)
    return f"{min(wall):6.2f} s   CPU {min(cpu):6.2f} s"


def main():
    adapter, python, *modes = (*sys.argv[1:], *("numpy_demo", sys.executable)[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", adapter, "--python", python, "--timeout", "300", "-o", folder]
        command = [sys.executable, "-m", "conformance.cli", *words, *(f"--mode={mode}" for mode in modes)]
        first = seconds(command, 1)
        again = seconds(command)
        runs = [read(path) for path in Path(folder, "runs").glob("*.jsonl")]
    reused, observed = sum(run.reused for run in runs), sum(len(run.places) for run in runs)
    print(f"floor       {seconds([sys.executable, '-I', '-S', '-c', ''])}")
    print(f"look around {seconds([python, '-I', '-B', str(LOOK), ''])}")
    print(f"first run   {first}   {adapter}, {observed} observations")
    print(f"second run  {again}   {reused} of them taken over")


main()
