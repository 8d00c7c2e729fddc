"""A run goes on whatever happens to a framework's process, leaves no process behind, and can be interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import CASES, DEMO, FAULTS, ROOT, adapter, left_behind, once, run_faults

from conformance import runs
from conformance.cache import surroundings
from conformance.corpus import Corpus
from conformance.observe import observe
from conformance.process import Host, Interpreter, Unavailable
from conformance.report import build

INTERRUPTED, GREEN, CANNOT_RUN = 130, 0, 3
ENDINGS = [
    ("exits", "crashed", "the process ended with exit status 0"),
    ("aborts", "crashed", "the process was ended by SIGABRT"),
    ("half_line", "crashed", "the process ended with exit status 0, in the middle of its answer"),
    ("garbage", "errored", r"what came back is no answer to this case: b'\xff\xfe progress: 50 %\n'"),
    ("hangs", "hung", "no answer within 2 s"),
]
LEAVERS = ["leaves_thread", "leaves_child", "dies_and_leaves_child", "hangs_deaf", "half_line"]
SLOW = f"""
import sys
sys.path.insert(0, {str(FAULTS)!r})
from slow import Layer, describe
"""
Line = dict[str, Any]


def observed(name: str | Path, corpus: Corpus, seen: Callable[[Line], None] = lambda line: None) -> list[Line]:
    """The lines of a run of one adapter, in the order in which they came."""
    lines: list[Line] = []

    def record(case_id: str, raw: bytes) -> None:
        lines.append(json.loads(raw))
        assert case_id == lines[-1]["id"]
        seen(lines[-1])

    settings = Interpreter(paths=(str(FAULTS),), timeout=2)
    asyncio.run(observe(adapter(name).path, "eager", settings, corpus, record))
    return lines


def told(line: Line) -> str:
    """What a line says happened to its case."""
    return next((name for name in ("crashed", "hung", "errored", "unsupported") if name in line), "answered")


@pytest.mark.parametrize(("name", "verdict", "reason"), ENDINGS)
def test_the_run_goes_on_with_the_next_case(name: str, verdict: str, reason: str, small_cases: Corpus) -> None:
    """The case on which a process ends says how; all others are answered, each once and in order."""
    lines = observed(name, small_cases)
    expected = [(case, {"frozen": verdict, "network": "unsupported"}.get(case, "answered")) for case in small_cases.ids]
    assert expected == [(line["id"], told(line)) for line in lines]
    assert reason == lines[small_cases.ids.index("frozen")][verdict].partition("\n")[0]


def test_the_run_goes_on_when_a_process_is_killed_from_outside(small_cases: Corpus) -> None:
    """One case says so, all others are answered."""

    def kill(line: Line) -> None:
        if line["id"] == small_cases.ids[0]:
            (host,) = psutil.Process().children()
            host.kill()

    lines = observed("slow", small_cases, kill)
    assert list(small_cases.ids) == [line["id"] for line in lines]
    (crashed,) = [line for line in lines if "crashed" in line]
    assert crashed["crashed"].startswith("the process was ended by SIGKILL")


@pytest.mark.parametrize("name", LEAVERS)
def test_no_process_is_left_behind(name: str, small_cases: Corpus, token: str) -> None:
    """Neither the framework's process nor what it started, and nobody waits for them."""
    started = time.monotonic()
    observed(name, small_cases)
    assert [] == left_behind(token)
    assert time.monotonic() - started < 15


def test_the_last_words_are_told_without_places_of_this_machine(small_cases: Corpus) -> None:
    """What the framework printed last, and where it ended; but not where its files lie."""
    lines = observed("aborts", small_cases)
    reason = lines[small_cases.ids.index("frozen")]["crashed"]
    expected = ["the process was ended by SIGABRT", "about to abort", "Fatal Python error: Aborted", ""]
    assert expected == reason.splitlines()[:4]
    assert 'File ".../aborts.py", line ' in reason
    assert [] == [place for place in (str(ROOT), sys.prefix, sys.base_prefix) if place in reason]


def test_an_interpreter_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """The reason names it."""
    nowhere = Interpreter(python=str(tmp_path / "python"))
    with pytest.raises(Unavailable, match="python cannot be started: No such file") as caught:
        asyncio.run(Host.start(DEMO, nowhere, str(tmp_path)))
    assert caught.value.absent


def conformance(*words: str | Path) -> list[str]:
    """The command line, without what it may find installed."""
    return [sys.executable, "-m", "conformance.cli", *map(str, words)]


def test_a_named_target_without_its_interpreter_ends_in_status_3(tmp_path: Path) -> None:
    """Whoever asks for a target by name learns that it did not run."""
    words = ("run", "numpy_demo", "--cases", CASES, "--python", tmp_path / "python", "-o", tmp_path)
    ended = subprocess.run(conformance(*words), cwd=ROOT, capture_output=True, text=True, check=False)
    assert CANNOT_RUN == ended.returncode
    assert "numpy_demo is unavailable: " in ended.stderr


@pytest.fixture
def slow(tmp_path: Path) -> tuple[list[str], Path]:
    """The command that runs a slow adapter, and the folder where its run files come to lie."""
    file = tmp_path / "slow_demo.py"
    file.write_text(SLOW)
    return conformance("run", file, "--cases", CASES, "-o", tmp_path / "out"), tmp_path / "out" / "runs"


def interruptible(command: list[str]) -> subprocess.Popen[str]:
    """The command, started so that Ctrl-C reaches it: what a shell starts in the background ignores it for ever."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads here
    )


def begun(command: list[str], folder: Path, lines: int) -> tuple[subprocess.Popen[str], Path]:
    """A run that has written so many lines, and its run file."""
    process = interruptible(command)
    while process.poll() is None:
        files = list(folder.glob("*.jsonl"))
        if files and files[0].read_bytes().count(b"\n") > lines:
            return process, files[0]
        time.sleep(0.02)
    pytest.fail(f"the run ended before it could be interrupted: {process.communicate()}")


def answers(path: Path) -> dict[str, Line]:
    """The lines of a run file without the time that they took."""
    return {case: {**line, "seconds": None} for case, line in runs.read(path).lines()}


def verdicts(path: Path, corpus: Corpus) -> dict[str, tuple[str, str, float]]:
    """What a report says of a run file."""
    (column,) = build(corpus, [path], []).columns
    return {case: (result.verdict, result.reason, result.error) for case, result in column.results.items()}


def test_an_interrupted_run_goes_on_and_says_the_same(
    slow: tuple[list[str], Path], small_cases: Corpus, tmp_path: Path, token: str
) -> None:
    """Ctrl-C leaves a readable run file without footer and no process; --resume asks only for what is missing."""
    command, folder = slow
    process, path = begun(command, folder, lines=3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert INTERRUPTED == process.returncode
    assert "--resume goes on from there" in errors
    assert [] == left_behind(token)
    first = runs.read(path)
    kept = list(first.lines())
    assert not first.complete
    assert 3 <= len(kept) < len(small_cases.ids)

    assert GREEN == subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, check=False).returncode
    resumed = runs.read(path)
    assert resumed.complete
    assert kept == list(resumed.lines())[: len(kept)]

    assert [] == [ran.reason for ran in run_faults([tmp_path / "slow_demo.py"], small_cases, tmp_path) if ran.reason]
    undisturbed = tmp_path / path.name
    assert answers(undisturbed) == answers(path)
    assert verdicts(undisturbed, small_cases) == verdicts(path, small_cases)


def test_a_run_is_not_resumed_with_another_adapter(slow: tuple[list[str], Path], small_cases: Corpus) -> None:
    """Answers of an adapter that has been mended since are not mixed with the new ones."""
    command, folder = slow
    process, path = begun(command, folder, lines=2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    kept = dict(runs.read(path).lines())
    mended = Path(command[4])
    mended.write_text(SLOW + "\nLayer.predict = None\n")
    subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, check=False)
    again = dict(runs.read(path).lines())
    assert sorted(small_cases.ids) == sorted(again)
    assert [] == [case for case, line in kept.items() if line == again[case]]


def test_a_run_that_is_killed_leaves_what_it_has_seen(slow: tuple[list[str], Path], token: str) -> None:
    """Its run file can be read, and its processes end with it."""
    process, path = begun(*slow, lines=2)
    process.kill()
    process.communicate(timeout=20)
    assert not runs.read(path).complete
    assert len(dict(runs.read(path).lines())) >= 2
    assert [] == left_behind(token, within=5)


def started(pid: int, script: str) -> bool:
    """Whether a process has started a script, or is past it and has started the host."""
    found = ""
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            found += " ".join(child.cmdline())
    return script in found or "host.py" in found


@pytest.mark.parametrize("script", ["surroundings.py", "host.py"])
def test_a_start_can_be_interrupted(tmp_path: Path, token: str, script: str) -> None:
    """Neither a look around nor an import that hangs holds up Ctrl-C, and nothing is left behind."""
    command = conformance("run", FAULTS / "import_hangs.py", "--cases", CASES, "-o", tmp_path)
    process = interruptible(command)
    while not started(process.pid, script):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert INTERRUPTED == process.returncode
    assert [] == left_behind(token)


def interpreters(version: str) -> Iterator[str]:
    """The places where an interpreter of a version may lie."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from filter(None, [shutil.which(name), *map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/{name}")))])


def works(python: str, module: str) -> bool:
    """Whether an interpreter is one, and has a module; a shim on PATH may lead nowhere."""
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def with_numpy(version: str, factory: pytest.TempPathFactory) -> str:
    """An interpreter of a version that has NumPy, in an environment made for it where need be."""
    found = [python for python in interpreters(version) if works(python, "sys")]
    if not found:
        pytest.skip(f"there is no Python {version} on PATH or in pyenv")
    for python in found:
        if works(python, "numpy"):
            return python

    def make(folder: Path) -> None:
        subprocess.run([found[0], "-m", "venv", folder / "env"], check=True, capture_output=True)
        install = [folder / "env" / "bin" / "python", "-m", "pip", "install", "--quiet", "numpy"]
        subprocess.run(install, check=True, capture_output=True)

    return str(once(factory, f"python{version}", make) / "env" / "bin" / "python")


@pytest.mark.parametrize("version", ["3.6", "3.7"])
def test_the_host_and_the_demo_adapter_run_on_old_pythons(
    version: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, small_cases: Corpus
) -> None:
    """Old frameworks need old interpreters; the host serves them with the same answers."""
    python = with_numpy(version, tmp_path_factory)
    (ran,) = run_faults([DEMO], small_cases, tmp_path, python=python)
    assert ran.path is not None
    (column,) = build(small_cases, [ran.path], []).columns
    assert column.run.header.provenance["python"].startswith(version + ".")
    assert ["files", "environment"] == list(surroundings(Interpreter(python, paths=(str(FAULTS),))))
    expected = {case: "unsupported" if case == "network" else "conforms" for case in small_cases.ids}
    assert expected == {case: result.verdict for case, result in column.results.items()}
