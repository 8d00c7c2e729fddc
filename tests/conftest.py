"""What tests share that run adapters: the faulty ones and the small cases that show the faults."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from conformance.adapters import Adapter
from conformance.corpus import Corpus, select
from conformance.process import Interpreter
from conformance.run import Job, Ran, Watch, run

ROOT = Path(__file__).parent.parent
FAULTS = ROOT / "tests" / "faults"
CASES = FAULTS / "cases"
DEMO = ROOT / "adapters" / "numpy_demo.py"
TOKEN = "TEST_THAT_STARTED_THIS"
LONGEST_WAIT = 180


@pytest.fixture(scope="session")
def small_cases() -> Corpus:
    """The cases that show the faults."""
    corpus = select(CASES, ())
    corpus.check()
    return corpus


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A mark on every process that a test starts, and on those that they start."""
    monkeypatch.setenv(TOKEN, str(tmp_path))
    return str(tmp_path)


def left_behind(token: str, within: float = 2) -> list[str]:
    """The processes of a test that are still there after a moment."""
    until = time.monotonic() + within
    while (found := _marked(token)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _marked(token: str) -> list[str]:
    own = os.getpid()
    marked = psutil.process_iter(["environ", "cmdline", "status"])
    return [
        " ".join(process.info["cmdline"] or [])
        for process in marked
        if process.pid != own
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and (process.info["environ"] or {}).get(TOKEN) == token
    ]


def adapter(name: str | Path) -> Adapter:
    """A faulty adapter by its name, or any by its file."""
    return Adapter(name if isinstance(name, Path) else FAULTS / f"{name}.py")


def run_faults(names: Sequence[str | Path], corpus: Corpus, folder: Path, workers: int = 0, **limits: Any) -> list[Ran]:
    """Run adapters as `conformance run` does."""
    interpreter = Interpreter(paths=(str(FAULTS),), **limits)
    workers = workers or os.cpu_count() or 1
    return run(Job([adapter(name) for name in names], (), corpus, interpreter, folder, workers=workers), Watch())


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one of the processes which test side by side fills, while the others wait for it."""
    side_by_side = "PYTEST_XDIST_WORKER" in os.environ
    folder = (factory.getbasetemp().parent if side_by_side else factory.getbasetemp()) / name
    done = folder / "done"
    try:
        folder.mkdir()
    except FileExistsError:
        until = time.monotonic() + LONGEST_WAIT
        while not done.exists():
            assert time.monotonic() < until, f"{folder} has not been filled in {LONGEST_WAIT} s"
            time.sleep(0.1)
        return folder
    try:
        make(folder)
    finally:
        done.touch()
    return folder
