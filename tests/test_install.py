"""The wheel in an empty environment, apart from any framework, and how it reaches a framework's own build."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import CASES, DEMO, ROOT, once

from conformance import cli
from conformance.runs import read

COPY = f"""
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("demo", {str(DEMO)!r})
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)
Layer = demo.Layer

def describe():
    return demo.describe()
"""
FORK = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("demo", {str(DEMO)!r})
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)

class Sample(demo.Layer):
    def move(self, name, new):
        super().move(name, new * 2 if name == "moving_variance" else new)
"""
USE_LAYER = """
def use_layer(cls):
    global Layer
    Layer = cls
"""


def shell(*words: object, **settings: object) -> str:
    """What a command prints; it must end well."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **settings)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def invoke(*words: object):
    """The command line in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """An environment in which nothing but the built wheel has been installed; the wheel lies beside it."""

    def make(folder: Path) -> None:
        shell(sys.executable, "-m", "venv", folder / "env")
        pip = [folder / "env/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
        shell(*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
        shell(*pip, "install", next(folder.glob("*.whl")))

    return once(tmp_path_factory, "installed", make)


def test_the_wheel_holds_one_package_with_everything_in_it(installed):
    """Code, cases and adapters, as many as there are here; nothing beside the package and its metadata."""
    (wheel,) = installed.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"conformance", "batchnorm_conformance"} == {name.split("/")[0].split("-")[0] for name in names}
    here = {f"conformance/cases/{path.relative_to(ROOT / 'cases').as_posix()}" for path in ROOT.glob("cases/**/*.yaml")}
    here |= {f"conformance/adapter_files/{path.name}" for path in ROOT.glob("adapters/*.*")}
    here |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("conformance/**/*.py")}
    assert set() == here - set(names)
    assert len(here) > 300


def test_the_installed_command_runs_the_installed_cases(installed, tmp_path):
    """Far from the checkout, with nothing of it on any path."""
    command = installed / "env/bin/conformance"
    assert "degenerate/" in shell(command, "list", cwd=tmp_path)
    assert "torch_nn" in shell(command, "list", "targets", cwd=tmp_path)
    ran = shell(command, "run", "numpy_demo", "--case", "update", "-o", "out", cwd=tmp_path)
    assert "numpy_demo[eager]" in ran
    (run,) = (tmp_path / "out/runs").iterdir()
    assert read(run).complete


def test_the_plugin_is_there_where_it_is_installed(installed, tmp_path):
    """`pytest cases --target …` needs no configuration."""
    entries = next(installed.glob("env/lib/python*/site-packages/batchnorm_conformance-*.dist-info/entry_points.txt"))
    assert "[pytest11]\nconformance = conformance.pytest_plugin" in entries.read_text()


def test_the_framework_needs_nothing_of_ours(installed, tmp_path):
    """An interpreter with NumPy alone is enough, and nothing of ours gets into it."""
    other = tmp_path / "other"
    shell(sys.executable, "-m", "venv", "--without-pip", other)
    numpy = [next(installed.glob(f"env/lib/python*/site-packages/{name}")) for name in ("numpy", "numpy.libs")]
    site = next(other.glob("lib/python*/site-packages"))
    for package in numpy:
        (site / package.name).symlink_to(package)
    words = ("run", "numpy_demo", "--case", "update", "--python", other / "bin/python", "-o", tmp_path / "out")
    assert "numpy_demo[eager]" in shell(installed / "env/bin/conformance", *words, cwd=tmp_path)
    assert {"numpy", "numpy.libs"} == {path.name for path in site.iterdir()}


def run(folder: Path, source: str, *words: object):
    """`conformance run` of an adapter on the cases of the faults."""
    (folder / "fork_demo.py").write_text(source)
    return invoke("run", folder / "fork_demo.py", "--cases", CASES, "-o", folder / "out", *words)


def header(folder: Path):
    """The header of the only run file."""
    (path,) = (folder / "out/runs").iterdir()
    return read(path).header


def test_what_env_sets_reaches_the_framework_and_the_run_file(tmp_path):
    """Before anything is imported there."""
    source = COPY.replace("return demo.describe()", "return dict(demo.describe(), version=os.environ['BUILD'])")
    assert cli.GREEN == run(tmp_path, source, "--env", "BUILD=own=1", "--env", "EMPTY=").exit_code
    assert "own=1" == header(tmp_path).target.version
    assert {"BUILD": "own=1", "EMPTY": ""}.items() <= header(tmp_path).provenance["settings"].items()


@pytest.mark.parametrize("option", ["path", "PYTHONPATH"])
def test_a_build_that_is_not_installed_is_found(tmp_path, option, monkeypatch):
    """By --path, or as one is used to say it; relative to where one is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build/of_mine").mkdir(parents=True)
    (tmp_path / "build/of_mine/__init__.py").write_text("__version__ = '9.9'\n")
    source = "import of_mine\n" + COPY.replace("demo.describe()", "dict(demo.describe(), version=of_mine.__version__)")
    assert cli.CANNOT_RUN == run(tmp_path, source).exit_code
    words = ("--path", "build") if option == "path" else ("--env", "PYTHONPATH=build")
    assert cli.GREEN == run(tmp_path, source, *words).exit_code
    assert "9.9" == header(tmp_path).target.version


def test_a_class_of_ones_own_stands_in_the_place_of_the_frameworks(tmp_path):
    """It is what the cases see, and the run file says so."""
    (tmp_path / "of_mine.py").write_text(FORK)
    words = ("--path", tmp_path, "--layer", "of_mine:Sample")
    result = run(tmp_path, COPY + USE_LAYER, *words)
    assert cli.RED == result.exit_code
    assert "moving_variance" in result.output
    assert "of_mine:Sample" == header(tmp_path).provenance["settings"]["CONFORMANCE_LAYER"]
    assert cli.GREEN == run(tmp_path, COPY + USE_LAYER).exit_code


@pytest.mark.parametrize(
    ("source", "layer", "message"),
    [
        (COPY, "of_mine:Sample", "the adapter has no use_layer"),
        (COPY + USE_LAYER, "of_mine:Nothing", "has no attribute 'Nothing'"),
        (COPY + USE_LAYER, "no_module_of_mine:Sample", "No module named 'no_module_of_mine'"),
    ],
)
def test_a_class_that_cannot_be_used_is_told_before_anything_runs(tmp_path, source, layer, message):
    """The target cannot be run, and says why."""
    (tmp_path / "of_mine.py").write_text(FORK)
    result = run(tmp_path, source, "--path", tmp_path, "--layer", layer)
    assert cli.CANNOT_RUN == result.exit_code
    assert message in result.output


@pytest.mark.parametrize("words", [("--env", "BUILD"), ("--env", "=1"), ("--layer", "os.system"), ("--layer", "a b:c")])
def test_options_that_say_nothing_are_bad_usage(tmp_path, words):
    """The form that is wanted is told."""
    result = run(tmp_path, COPY, *words)
    assert cli.BAD_USAGE == result.exit_code
    assert "is not of the form" in result.output


def test_smoke_takes_the_same_options(tmp_path):
    """An adapter of a fork is tried out as it will run."""
    (tmp_path / "of_mine.py").write_text(FORK)
    (tmp_path / "fork_demo.py").write_text(COPY + USE_LAYER)
    words = (tmp_path / "fork_demo.py", "--path", tmp_path, "--layer", "of_mine:Sample", "--env", "A=b")
    assert "departs at step 1" in invoke("smoke", *words).output
