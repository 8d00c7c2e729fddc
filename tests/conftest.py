"""What tests share that run adapters: the faulty ones and the small cases that show the faults."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

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


def clean_copy(to: Path) -> Path:
    """What a clone of this tree would hold if everything here were committed; everything, where there is no git."""
    git = ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, capture_output=True, text=True, check=False)
    if listed.returncode:
        shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(".*_cache", ".tox", ".venv", "__pycache__"))
    for name in filter(None, listed.stdout.splitlines()):
        if (ROOT / name).is_file() and not name.startswith("reports/"):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)
    return to


class Action:
    """`action.yml` of a clean copy, its steps run as GitHub would run them."""

    def __init__(self, folder: Path) -> None:
        self.path, self.temp, self.outputs = folder / "suite", folder / "temp", dict[str, str]()
        self.text = yaml.safe_load((self.path / "action.yml").read_text())
        self.temp.mkdir(exist_ok=True)

    def step(self, index: int, folder: Path, **inputs: object) -> subprocess.CompletedProcess[str]:
        """One step in bash, in a folder, with these inputs and the defaults."""
        step = self.text["runs"]["steps"][index]
        values = {f"inputs.{name}": str(value.get("default", "")) for name, value in self.text["inputs"].items()}
        values |= {f"inputs.{name.replace('_', '-')}": str(value) for name, value in inputs.items()}
        values |= {"github.action_path": str(self.path)}
        given = {name: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: values[m[1]], text) for name, text in step["env"].items()}
        files = {name: str(folder / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        (self.temp / f"{index}.sh").write_text(step["run"])
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", self.temp / f"{index}.sh"]
        environment = {**os.environ, **given, **files, "RUNNER_TEMP": str(self.temp)}
        return subprocess.run(bash, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def action(tmp_path_factory: pytest.TempPathFactory) -> Action:
    """The action with its first step done: the suite is installed in an environment that had nothing in it."""

    def make(folder: Path) -> None:
        clean_copy(folder / "suite")
        done = Action(folder).step(0, folder, suite_python=sys.executable)
        assert done.returncode == 0, done.stdout + done.stderr

    return Action(once(tmp_path_factory, "action", make))


@pytest.fixture(scope="session")
def installed(action: Action) -> Path:
    """The environment in which nothing but the suite, built as a wheel, has been installed."""
    return action.temp / "conformance"
