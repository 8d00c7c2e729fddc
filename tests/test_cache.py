"""Observations are taken over while nothing that they depend on has changed, and only then."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import DEMO

from conformance import cache, cli, process, reuse, surroundings
from conformance.adapters import Adapter
from conformance.process import Interpreter
from conformance.runs import read

CASE = """\
title: A claim
layer: {features: 1, momentum: 0.9, epsilon: 0.001}
data: {batch: [[1], [5]]}
steps: [train: batch, predict: batch]
"""
ADAPTER = """
import importlib.util
import os
import dependency

READS = ("$HOME/.settings",)
LOG, GONE = {log!r}, {gone!r}
spec = importlib.util.spec_from_file_location("demo", {demo!r})
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)

def log(word):
    with open(LOG, "a") as file:
        file.write(word + "\\n")

log("imported")

def describe():
    return dict(demo.describe(), modes={{"one": {{}}, "two": {{}}}})

class Layer(demo.Layer):
    def __init__(self, layer, *others):
        log("made")
        if layer["momentum"] == 0.5 and os.path.exists(GONE):
            os._exit(1)
        if layer["momentum"] == 0.25 and os.path.exists(GONE):
            raise OSError(28, "No space left on device")
        super().__init__(layer, *others)
"""
NAMES, MODES = ("changes", "ends", "full", "stays"), 2
ALL = MODES * len(NAMES)


@dataclass
class World:
    """Cases, an adapter that counts, a dependency of it, and the interpreter; what they depend on can be changed."""

    folder: Path
    python: Path
    words: tuple[str, ...] = ()

    def run(self, *words: object):
        """`conformance run`: what it printed."""
        given = ["run", self.adapter, "--cases", self.folder / "cases", "--python", self.python, "-j", 1]
        given += ["--path", self.folder / "path", "-o", self.folder / "out", *self.words, *words]
        return CliRunner().invoke(cli.main, list(map(str, given)), catch_exceptions=False)

    def asked(self, *words: object) -> list[int]:
        """How often a run imports the framework and makes a layer."""
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        self.run(*words)
        said = log.read_text().split() if log.exists() else []
        return [said.count("imported"), said.count("made")]

    @property
    def adapter(self) -> Path:
        return self.folder / "counting.py"

    def files(self) -> list[Path]:
        """The run files, one for each mode."""
        return sorted((self.folder / "out/runs").glob("*.jsonl"))

    def observations(self) -> list[bytes]:
        """The lines of the run files, byte for byte."""
        return [line for path in self.files() for line in path.read_bytes().splitlines()[1:-1]]

    def edit(self, change) -> None:
        """Change what the headers of the run files say."""
        for path in self.files():
            head, *lines = path.read_bytes().splitlines(keepends=True)
            header = json.loads(head)
            change(header)
            path.write_bytes(json.dumps(header).encode() + b"\n" + b"".join(lines))


def environment(folder: Path) -> Path:
    """An environment of its own that sees NumPy; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/*/site-packages")
    for package in Path(np.__file__).parent.parent.glob("numpy*"):
        (site / package.name).symlink_to(package)
    return folder / "bin/python"


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A world in which nothing has been run."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("cases", "path", "home"):
        (tmp_path / name).mkdir()
    for name in NAMES:
        momentum = {"ends": "0.5", "full": "0.25"}.get(name, "0.9")
        (tmp_path / f"cases/{name}.yaml").write_text(CASE.replace("0.9", momentum))
    (tmp_path / "path/dependency.py").write_text('__version__ = "1"\n')
    text = ADAPTER.format(log=str(tmp_path / "log"), gone=str(tmp_path / "gone"), demo=str(DEMO))
    (tmp_path / "counting.py").write_text(text)
    return World(tmp_path, environment(tmp_path / "environment"))


@pytest.fixture
def world(empty):
    """A world in which everything has been run once."""
    assert [1, ALL] == empty.asked()
    assert ALL == len(empty.observations())
    return empty


def test_nothing_is_asked_again_while_nothing_changes(world):
    """No framework is imported, the observations are the same byte for byte, and every report says whence they are."""
    before = world.observations()
    assert [0, 0] == world.asked()
    assert before == world.observations()
    assert [len(NAMES)] * MODES == [read(path).reused for path in world.files()]
    assert all(read(path).complete for path in world.files())
    result = world.run()
    assert cli.GREEN == result.exit_code
    assert f"{ALL} of {ALL} observations are those of an earlier run" in result.output
    assert [] == list((world.folder / "out").rglob("*.tmp"))


def test_the_renderings_say_how_much_is_taken_over(world):
    """JSON for each target, Markdown for all; and nothing of it where nothing is."""
    form = ("report", world.folder / "out/runs", "--cases", world.folder / "cases", "-o", world.folder / "out")
    for reused in (0, len(NAMES)):
        words = [*map(str, form), "--format", "json", "--format", "markdown", "--format", "html"]
        assert cli.GREEN == CliRunner().invoke(cli.main, words).exit_code
        said = json.loads((world.folder / "out/report.json").read_text())
        assert [reused] * MODES == [target["reused"] for target in said["targets"]]
        told = f"{MODES * reused} of {ALL} observations are those of an earlier run"
        assert bool(reused) == (told in (world.folder / "out/report.md").read_text())
        world.run()


def other_case(world, monkeypatch):
    text = (world.folder / "cases/changes.yaml").read_text()
    (world.folder / "cases/changes.yaml").write_text(text.replace("[5]", "[7]"))


def other_adapter(world, monkeypatch):
    world.adapter.write_text(world.adapter.read_text() + "# mended\n")


def other_host(world, monkeypatch):
    host = shutil.copy(process.HOST, world.folder / "host.py")
    host.write_text(host.read_text() + "# mended\n")
    for module in (process, cache, reuse):
        monkeypatch.setattr(module, "HOST", host)


def other_version(world, monkeypatch):
    (world.folder / "path/dependency.py").write_text('__version__ = "2"\n')


def other_content(world, monkeypatch):
    """The version, the size and the time of the file that takes its place are as they were."""
    path = world.folder / "path/dependency.py"
    before, fresh = path.stat(), path.with_suffix(".fresh")
    fresh.write_text("__version__ = '1'\n")
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(path)


def other_package(world, monkeypatch):
    (site,) = world.folder.glob("environment/lib/*/site-packages")
    (site / "new-1.0.dist-info").mkdir()
    (site / "new-1.0.dist-info/METADATA").write_text("Name: new\nVersion: 1.0\n")


def other_library(world, monkeypatch):
    (world.folder / "path/package/inner").mkdir(parents=True)
    (world.folder / "path/package/inner/library.so").write_text("ELF")


def other_interpreter(world, monkeypatch):
    world.python = environment(world.folder / "another")


def other_setting(world, monkeypatch):
    world.words = ("--env", "FLAGS=1")


def other_variable(world, monkeypatch):
    monkeypatch.setenv("SOME_FRAMEWORK_FLAGS", "1")


def other_threads(world, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def other_configuration(world, monkeypatch):
    (world.folder / "home/.settings").write_text("{}")


def header(**changes):
    """One entry of what the run files say of themselves."""

    def change(world, monkeypatch):
        world.edit(lambda line: line["provenance"].update(changes))

    return change


def around(**changes):
    """One entry of what they say of their surroundings."""

    def change(world, monkeypatch):
        world.edit(lambda line: line["provenance"]["surroundings"].update(changes))

    return change


def declares_otherwise(world, monkeypatch):
    world.edit(lambda line: line["dialect"].update(variance="sample"))


def spoilt_introduction(world, monkeypatch):
    (world.folder / "out/introductions/counting.json").write_text('{"key": "", "introduction": 5}')


def without_surroundings(world, monkeypatch):
    world.edit(lambda line: line["provenance"].pop("surroundings"))


ANEW = [
    (other_case, [1, MODES]),
    (other_adapter, [1, ALL]),
    (other_host, [1, ALL]),
    (other_version, [1, ALL]),
    (other_content, [1, ALL]),
    (other_package, [1, ALL]),
    (other_library, [1, ALL]),
    (other_interpreter, [1, ALL]),
    (other_setting, [1, ALL]),
    (other_variable, [1, ALL]),
    (other_threads, [1, ALL]),
    (other_configuration, [1, ALL]),
    (header(suite="0.0.1"), [1, ALL]),
    (header(python="3.6.0"), [1, ALL]),
    (header(platform="Plan9"), [1, ALL]),
    (header(adapter="0" * 16), [1, ALL]),
    (header(host="0" * 16), [1, ALL]),
    (header(versions={}), [1, ALL]),
    (header(settings={}), [1, ALL]),
    (around(files="0" * 16), [1, ALL]),
    (around(environment="0" * 16), [1, ALL]),
    (around(configured="0" * 16), [1, ALL]),
    (around(suite="0" * 16), [1, ALL]),
    (declares_otherwise, [1, ALL]),
    (without_surroundings, [1, ALL]),
    (spoilt_introduction, [1, 0]),
]


@pytest.mark.parametrize(("change", "asked"), ANEW)
def test_what_has_changed_is_asked_again(world, monkeypatch, change, asked):
    """Each ingredient alone; and what is new then is taken over the next time."""
    change(world, monkeypatch)
    again = world.asked()
    assert asked[1] == again[1]
    assert asked[0] <= again[0] <= MODES
    assert ALL == len(world.observations())
    assert [0, 0] == world.asked()


@pytest.mark.parametrize("out", ["path/report", "path"])
def test_what_is_written_below_the_import_path_is_no_change(empty, out):
    """A report in a checkout that is installed by its path, and what tools keep there hidden; a new module is one."""
    words, hidden = ("-o", empty.folder / out), empty.folder / "path/.hypothesis"
    assert [1, ALL] == empty.asked(*words)
    hidden.mkdir()
    for place in (hidden / "examples", hidden.with_name(".coverage"), empty.folder / out / "report.md"):
        place.touch()
    (empty.folder / "path/nothing").mkdir()
    assert [0, 0] == empty.asked(*words)
    (empty.folder / out / "module.py").touch()
    assert [1, ALL] == empty.asked(*words)


def test_who_wants_new_observations_gets_them(world):
    """Neither --no-cache nor --repeat takes anything over, and to go on with an earlier run is something else."""
    assert [1, ALL] == world.asked("--no-cache")
    assert [1, ALL] == world.asked()
    assert [1, 3 * ALL] == world.asked("--repeat", 3)
    assert [1, ALL] == world.asked()
    for words in (("--no-cache",), ("--repeat", "2")):
        result = world.run("--resume", *words)
        assert cli.BAD_USAGE == result.exit_code
        assert "--no-cache and --repeat want new ones" in result.output


def test_how_a_process_ended_is_no_observation(empty):
    """A case that crashed, and one for which the machine had no room, are asked again; the others are not."""
    (empty.folder / "gone").touch()
    empty.asked()
    assert MODES == sum(b'"crashed"' in line for line in empty.observations())
    assert MODES == sum(b"No space left" in line for line in empty.observations())
    (empty.folder / "gone").unlink()
    assert 2 * MODES == empty.asked()[1]
    assert [0, 0] == empty.asked()


def test_a_run_file_that_is_gone_or_cut_off_costs_only_its_own(world):
    """The lines that are whole still count."""
    one, two = world.files()
    one.write_bytes(b"".join(one.read_bytes().splitlines(keepends=True)[:3]) + b'{"id": "st')
    assert len(NAMES) - 2 == world.asked()[1]
    two.unlink()
    assert len(NAMES) == world.asked()[1]
    assert [0, 0] == world.asked()


def test_another_mode_or_fewer_cases_are_answered_from_what_there_is(world):
    """And what is not asked for is not needed."""
    assert [0, 0] == world.asked("--mode", "two")
    assert [0, 0] == world.asked("--case", "stays")
    assert cli.BAD_USAGE == world.run("--mode", "three").exit_code


def test_what_a_shell_a_ci_and_secrets_say_is_no_setting(world, monkeypatch):
    """They differ from run to run, and nobody computes with them."""
    for name in ("SHLVL", "SSH_CLIENT", "GITHUB_RUN_ID", "PYTEST_CURRENT_TEST", "PYTHONPATH", "MY_TOKEN"):
        monkeypatch.setenv(name, "something else")
    assert [0, 0] == world.asked()


def test_an_interpreter_whose_imports_come_from_anywhere_is_asked_again(world):
    """An editable install puts a finder in place, behind which files may change unseen; the run file says so."""
    (site,) = world.folder.glob("environment/lib/*/site-packages")
    (site / "finder_of_mine.py").write_text("class Finder:\n    find_spec = staticmethod(lambda *given: None)\n")
    (site / "editable.pth").write_text("import sys, finder_of_mine; sys.meta_path.append(finder_of_mine.Finder)\n")
    for _ in range(2):
        assert [1, ALL] == world.asked()
        uncertain = {"uncertain": "finder_of_mine has a say in imports"}
        assert [uncertain] * MODES == [read(path).header.provenance["surroundings"] for path in world.files()]


def test_what_cannot_be_seen_is_uncertain(tmp_path):
    """A device, a program that is no Python, an interpreter that is none or says nonsense."""
    (tmp_path / "python").write_text("#!/bin/sh\necho nonsense\n")
    (tmp_path / "python").chmod(0o755)
    for interpreter in (
        Interpreter(device="cuda"),
        Interpreter(str(tmp_path / "nowhere")),
        Interpreter(str(tmp_path / "python")),
        Interpreter("/bin/false"),
    ):
        assert ["uncertain"] == list(cache.surroundings(interpreter))
    (tmp_path / "python").write_text("#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(OSError, match="was killed while it looked around"):
        cache.surroundings(Interpreter(str(tmp_path / "python")))
    certain = cache.Cache(tmp_path, Interpreter(), {"files": "1", "environment": "2"})
    assert "uncertain" in certain.around(Adapter(tmp_path / "adapter.js"))
    assert "uncertain" not in certain.around(Adapter(DEMO))
    assert certain.recall(Adapter(DEMO)) is None


def test_another_machine_is_another_one(monkeypatch):
    """Its platform, its processor, and how many there are."""
    seen = {surroundings.digest([])}
    for name in ("platform", "machine"):
        with monkeypatch.context() as patch:
            patch.setattr(surroundings.platform, name, lambda: "another")
            seen.add(surroundings.digest([]))
    monkeypatch.setattr(surroundings.os, "cpu_count", lambda: 1000)
    assert 4 == len({*seen, surroundings.digest([])})


def test_links_in_circles_and_to_nowhere_end_the_look_around(tmp_path):
    """Each folder is looked at once."""
    (tmp_path / "circle").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    whole = surroundings.digest([str(tmp_path)])
    (tmp_path / "gone").touch()
    assert whole != surroundings.digest([str(tmp_path)])


def test_a_link_from_another_environment_is_no_change(tmp_path):
    """Installers link files of a cache into each environment, which is seen on all of them; another content is one."""
    file, name = tmp_path / "module.py", str(tmp_path)
    file.write_text("one = 1\n")
    (tmp_path / "cache").hardlink_to(file)
    before = surroundings.digest([name])
    elsewhere = tmp_path.with_name("elsewhere")
    elsewhere.hardlink_to(file)
    assert before == surroundings.digest([name])
    times = file.stat()
    file.unlink()
    file.write_text("two = 2\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert before != surroundings.digest([name])
    elsewhere.unlink()
