"""Whatever is killed, full, closed or out of time: what was seen is not lost, nothing is left behind, and it goes on.

Each round strikes a run one to three times at random and then goes on with it. CONFORMANCE_KILLS says how many rounds
there are; what a round does follows from its number, as far as the machine keeps time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from conftest import DEMO, ROOT, left_behind

from conformance import runs
from conformance.corpus import Corpus, select
from conformance.report import build
from conformance.reuse import finished
from conformance.strict_yaml import BadInput

ROUNDS = int(os.environ.get("CONFORMANCE_KILLS", "10"))
LOG = os.environ.get("CONFORMANCE_KILLS_LOG")
GREEN, RED, BAD_USAGE, CANNOT_RUN = 0, 1, 2, 3
COUNT = 24
CASE = """\
title: Case {number}
layer: {{features: 1, momentum: 0.9, epsilon: 0.001}}
data: {{batch: [[{number}], [5]]}}
steps: [train: batch, save: here, predict: batch]
"""
ADAPTER = f"""
import importlib.util
import subprocess
spec = importlib.util.spec_from_file_location("demo", {str(DEMO)!r})
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)
describe = demo.describe

class Layer(demo.Layer):
    def train(self, x, mask=None):
        subprocess.run(["sleep", "0.03"], check=True)  # as a framework calls a compiler
        return super().train(x, mask)
"""
JUMPS = """
import datetime, random, sys, time
real, jumping = time.time, random.Random(1)
time.time = lambda: real() + jumping.uniform(-1e8, 1e8)
class Jumping(datetime.datetime):
    now = classmethod(lambda cls, tz=None: cls.fromtimestamp(time.time(), tz))
datetime.datetime = Jumping
from conformance.cli import main
main(sys.argv[1:])
"""
CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24


@dataclass
class Arena:
    """A run that is struck: its cases, its adapter, and the folder of its report."""

    folder: Path
    log: list[str] = field(default_factory=list)

    @property
    def runs(self) -> Path:
        return self.folder / "out/runs"

    def command(self, *words: str) -> list[str]:
        python = [sys.executable, "-m", "conformance.cli"]
        run = ["run", str(self.folder / "slowly.py"), "--cases", str(self.folder / "cases")]
        return [*python, *run, "-o", str(self.folder / "out"), *words]

    def start(self, *words: str, command: list[str] | None = None, limit: Callable[[], object] | None = None):
        """The run, begun; limit is called in its process first."""
        return subprocess.Popen(
            command or self.command(*words),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=limit,  # noqa: PLW1509 - no threads here
        )

    def lines(self) -> int:
        """How many lines its run file has now."""
        return sum(file.read_bytes().count(b"\n") for file in self.runs.glob("*.jsonl"))

    def observed(self) -> dict[str, bytes]:
        """The finished observations that can be read now, byte for byte."""
        files = [file for file in self.runs.glob("*.jsonl") if "unavailable" not in file.name]
        assert len(files) <= 1
        return {case: raw for file in files for case, raw in runs.read(file).raw() if finished(raw)}


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> tuple[Arena, float]:
    """An undisturbed run, and the seconds that it takes."""
    arena = prepared(tmp_path_factory.mktemp("ground"))
    started = time.monotonic()
    process = arena.start()
    said, _ = process.communicate(timeout=120)
    assert GREEN == process.returncode, said
    assert COUNT == len(arena.observed())
    return arena, time.monotonic() - started


@pytest.fixture
def arena(tmp_path, token) -> Arena:
    """A run that has not begun."""
    return prepared(tmp_path)


def prepared(folder: Path) -> Arena:
    (folder / "cases").mkdir()
    (folder / "slowly.py").write_text(ADAPTER)
    for number in range(COUNT):
        (folder / f"cases/case_{number:02}.yaml").write_text(CASE.format(number=number + 10))
    return Arena(folder)


def told(arena: Arena) -> tuple[dict, dict]:
    """What a run file holds but for the time that it took, and what a report makes of it."""
    (file,) = arena.runs.glob("*.jsonl")
    corpus: Corpus = select(arena.folder / "cases", ())
    run = runs.read(file)
    assert run.complete
    (column,) = build(corpus, [file], []).columns
    verdicts = {case: (result.verdict, result.reason, result.error) for case, result in column.results.items()}
    return {case: {**line, "seconds": 0} for case, line in run.lines()}, verdicts


# What can happen to a run. Each leaves it ended.


def kill(
    arena: Arena, process: subprocess.Popen, chosen: Callable[[psutil.Process], list], after: float, lines: int
) -> None:
    """kill -9 of some processes of a run after some seconds, when its file has some lines; else the run just ends."""
    started = time.monotonic()
    while process.poll() is None:
        due = time.monotonic() - started >= after and arena.lines() >= lines
        found = chosen(psutil.Process(process.pid)) if due else []
        for each in found:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended of itself
                each.kill()
        if found:
            arena.log.append(f"{len(found)} killed at {arena.lines()} lines after {time.monotonic() - started:.2f} s")
            break
        time.sleep(0.005)


def suite(parent: psutil.Process) -> list[psutil.Process]:
    return [parent]


def hosts(parent: psutil.Process) -> list[psutil.Process]:
    return below(parent, recursive=False)


def framework(parent: psutil.Process) -> list[psutil.Process]:
    """What the framework has started."""
    return [each for host in hosts(parent) for each in below(host, recursive=False)]


def everything_but_the_framework(parent: psutil.Process) -> list[psutil.Process]:
    return [parent, *hosts(parent)]


def below(parent: psutil.Process, *, recursive: bool) -> list[psutil.Process]:
    try:
        return parent.children(recursive=recursive)
    except psutil.NoSuchProcess:
        return []


def killed(chosen: Callable[[psutil.Process], list]):
    """A strike that kills."""

    def strike(arena: Arena, dice: random.Random, seconds: float, words: list[str]) -> tuple[int, str]:
        arena.log.append(chosen.__name__)
        process = arena.start(*words)
        kill(arena, process, chosen, *dice.choice([(dice.uniform(0, seconds), 0), (0, dice.randint(1, COUNT))]))
        said, _ = process.communicate(timeout=120)
        return process.returncode, said

    return strike


def full(arena: Arena, dice: random.Random, seconds: float, words: list[str]) -> tuple[int, str]:
    """No file grows beyond a size: the run file, the page or a checkpoint of the framework is cut off."""
    most = dice.choice([dice.randrange(200, 2000), dice.randrange(2000, 20_000), dice.randrange(20_000, 400_000)])
    process = arena.start(*words, limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
    said, _ = process.communicate(timeout=120)
    arena.log.append(f"no file beyond {most} bytes")
    return process.returncode, said


def closed(arena: Arena, dice: random.Random, seconds: float, words: list[str]) -> tuple[int, str]:
    """A folder of the report takes no new file; chmod means nothing to root, who therefore gives up that right."""
    folder = dice.choice([arena.folder / "out", arena.runs])
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o555)
    give_up = ctypes.CDLL(None).prctl
    process = arena.start(*words, limit=lambda: give_up(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0))
    said, _ = process.communicate(timeout=120)
    folder.chmod(0o755)
    arena.log.append(f"{folder.name} was closed")
    return process.returncode, said


def jumps(arena: Arena, dice: random.Random, seconds: float, words: list[str]) -> tuple[int, str]:
    """The clock on the wall goes to and fro by years."""
    command = arena.command(*words)
    process = arena.start(command=[command[0], "-c", JUMPS, *command[3:]])
    said, _ = process.communicate(timeout=120)
    assert GREEN == process.returncode, said
    (file,) = arena.runs.glob("*.jsonl")
    assert 0 <= runs.read(file).end["elsewhere"] <= runs.read(file).end["seconds"] < 100
    arena.log.append("the clock jumped")
    return process.returncode, said


STRIKES = [killed(suite), killed(hosts), killed(framework), killed(everything_but_the_framework), full, closed, jumps]
WEIGHTS = [4, 3, 3, 2, 3, 2, 1]


def planned(number: int) -> Iterator[tuple[Callable, random.Random, list[str]]]:
    """The strikes of a round, each with its dice and whether it resumes or only takes over what has not changed."""
    dice = random.Random(number)
    for strike in dice.choices(STRIKES, WEIGHTS, k=dice.randint(1, 3)):
        yield strike, random.Random(dice.random()), dice.choice([[], ["--resume"]])


@pytest.mark.parametrize("number", range(ROUNDS))
def test_whatever_happens_to_a_run(arena, ground, token, number):
    """After each strike nothing is left or lost; afterwards the run ends as if nothing had been."""
    undisturbed, seconds = ground
    for strike, dice, words in planned(number):
        before = arena.observed()
        status, said = strike(arena, dice, seconds, words)
        assert [] == left_behind(token, within=10), arena.log
        assert "Traceback" not in said, said
        assert status in (GREEN, RED, CANNOT_RUN) or status < 0, said
        assert status != CANNOT_RUN or any(why in said for why in (str(arena.folder), "SIGKILL", "was killed")), said
        now = arena.observed()
        assert before.items() <= now.items(), arena.log
    process = arena.start("--resume")
    said, _ = process.communicate(timeout=120)
    assert GREEN == process.returncode, (arena.log, said)
    assert before.items() <= now.items() <= arena.observed().items(), (arena.log, said)
    assert told(undisturbed) == told(arena)
    assert [] == left_behind(token)
    assert [] == list((arena.folder / "out").rglob("*.tmp"))
    if LOG:
        with Path(LOG).open("a") as file:
            file.write(f"{number}: {'; '.join(arena.log)}\n")


HANGS = """
import subprocess, sys, time
import base
describe = base.describe

class Layer(base.Layer):
    def train(self, x, mask=None):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        time.sleep(1000)
"""


def test_a_framework_that_hangs_ends_with_the_suite(arena, token):
    """With what it has started, though nobody is there any more to end it."""
    (arena.folder / "slowly.py").write_text(HANGS)
    process = arena.start("--path", str(ROOT / "tests/faults"))
    kill(arena, process, lambda parent: [parent] if framework(parent) else [], 0, 0)
    process.communicate(timeout=20)
    assert [] == left_behind(token, within=10)


@pytest.mark.parametrize("place", ["report", "runs", "run file", "page"])
def test_a_report_that_cannot_be_written_is_refused_by_name(arena, token, place):
    """Something else stands where a folder or a file of it should be; no process is left behind."""
    if place == "report":
        (arena.folder / "out").write_text("")
    elif place == "runs":
        (arena.folder / "out").mkdir()
        arena.runs.write_text("")
    else:
        process = arena.start()
        process.communicate(timeout=60)
        (file,) = [arena.folder / "out/index.html"] if place == "page" else arena.runs.glob("*.jsonl")
        file.unlink()
        (file / "inside").mkdir(parents=True)
    process = arena.start()
    said, _ = process.communicate(timeout=60)
    assert (BAD_USAGE if place == "report" else CANNOT_RUN) == process.returncode, said
    assert str(arena.folder / "out") in said
    assert "Traceback" not in said
    assert [] == left_behind(token)


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own with 64 KiB."""
    disk = tmp_path / "out"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here; the rounds above limit the size of files instead")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_full_keeps_what_it_has(arena, small_disk, ground):
    """The run file is cut off where the disk ends, its lines are whole, and the message names it."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(48 * 1024))
    process = arena.start()
    said, _ = process.communicate(timeout=60)
    assert CANNOT_RUN == process.returncode, said
    assert "No space left on device" in said
    assert str(small_disk) in said
    before = arena.observed()
    assert 0 < len(before) < COUNT
    ballast.unlink()
    arena.start("--resume").communicate(timeout=60)
    assert before.items() <= arena.observed().items()
    assert COUNT == len(arena.observed())


def test_a_file_that_is_no_run_file_is_refused_by_name(ground, tmp_path):
    """Every way of cutting one off can be read, or is refused with the file and the line."""
    (whole,) = ground[0].runs.glob("*.jsonl")
    raw, cut = whole.read_bytes(), tmp_path / "cut.jsonl"
    read = refused = 0
    for length in random.Random(1).sample(range(len(raw)), 300):
        cut.write_bytes(raw[:length])
        try:
            assert not runs.read(cut).complete
            read += 1
        except BadInput as error:
            assert str(error).startswith(f"{cut}:1:1: this is no run file")
            refused += 1
    assert read
    assert refused
