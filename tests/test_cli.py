"""The command line: what it prints, what it writes, and its one exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from helpers import HEAD

from conformance import cli
from conformance.runs import read

ROOT = Path(__file__).parent.parent
CASE = (
    HEAD
    + """\
data: {batch: [[1], [5]]}
steps:
  - train: batch
    expect: {moving_mean: [0.3]}
"""
)
WRONG = """
import importlib.util
spec = importlib.util.spec_from_file_location("demo", %r)
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)
describe = demo.describe
class Layer(demo.Layer):
    def move(self, name, new):
        self.variables[name] = 0.1 * self.variables[name] + 0.9 * new
""" % str(ROOT / "adapters/numpy_demo.py")


def invoke(*words: object) -> Result:
    """The command line in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cases in a subject, and an adapter with its momentum the wrong way round."""
    (tmp_path / "cases/update").mkdir(parents=True)
    (tmp_path / "cases/update/one.yaml").write_text(CASE)
    (tmp_path / "cases/update/two.yaml").write_text(CASE.replace("A claim", "Another claim"))
    (tmp_path / "wrong.py").write_text(WRONG)
    return tmp_path


def run(folder: Path, *words: object) -> Result:
    """`conformance run` on the folder's cases."""
    return invoke("run", *words, "--cases", folder / "cases", "-o", folder / "out")


def test_green_writes_everything_and_ends_with_0(folder):
    """A run file for the target, a page, and a table."""
    result = run(folder, "numpy_demo")
    assert cli.GREEN == result.exit_code, result.output
    (path,) = (folder / "out/runs").glob("*.jsonl")
    assert {"update/one", "update/two"} == set(read(path).places)
    assert "update/one" in (folder / "out/index.html").read_text()
    assert "numpy_demo" in result.output


def test_a_run_can_leave_the_page_to_conformance_report(folder):
    """Its run file, its table and its exit status are the same."""
    result = run(folder, folder / "wrong.py", "--no-page")
    assert cli.RED == result.exit_code
    assert "moving_mean is 2.69999981 where 0.3 was promised" in result.output
    assert 1 == len(list((folder / "out/runs").glob("*.jsonl")))
    assert not (folder / "out/index.html").exists()


def test_red_ends_with_1_and_says_why(folder):
    """The place, both numbers and the cause are in the table's sentence."""
    result = run(folder, folder / "wrong.py")
    assert cli.RED == result.exit_code
    assert "step 1: moving_mean is 2.69999981 where 0.3 was promised" in result.output
    assert "momentum weighs the new statistic instead of the old one" in result.output


def test_a_known_divergence_is_green_and_a_healed_one_is_red(folder):
    """The list of known divergences excuses what is seen, and nothing else."""
    listed = folder / "known.yaml"
    listed.write_text("known:\n  - {target: 'wrong[*', case: update/*, reason: It is wrong on purpose.}\n")
    assert cli.GREEN == run(folder, folder / "wrong.py", "--known", listed).exit_code
    listed.write_text("known:\n  - {target: 'numpy_demo[*', case: update/one, reason: It was wrong once.}\n")
    healed = run(folder, "numpy_demo", "--known", listed)
    assert cli.RED == healed.exit_code
    assert "no longer seen: It was wrong once." in healed.output


def test_an_unsteady_divergence_is_green_whether_it_is_seen_or_not(folder):
    """What differs from run to run is excused where it is seen, and is not missed where it is not."""
    listed = folder / "known.yaml"
    entry = "known:\n  - {target: ['wrong[*', 'numpy_demo[*'], case: [update/*], reason: It depends., unsteady: %s}\n"
    listed.write_text(entry % "true")
    for adapter in (folder / "wrong.py", "numpy_demo"):
        excused = run(folder, adapter, "--known", listed)
        assert cli.GREEN == excused.exit_code, excused.output
    assert "healed" not in excused.output
    listed.write_text(entry % "false")
    assert cli.RED == run(folder, "numpy_demo", "--known", listed).exit_code


BAD_USAGE = [
    (("nobody",), "there is no adapter 'nobody'; there is"),
    (("numpy_demo", "--case", "nothing/*"), "no case matches 'nothing/*'"),
    (("numpy_demo", "--mode", "backwards"), "nothing was run: no such mode"),
    (("numpy_demo", "--timeout", "soon"), "'soon' is not a valid float"),
]


@pytest.mark.parametrize(("words", "message"), BAD_USAGE)
def test_bad_usage_ends_with_2(folder, words, message):
    """What the user got wrong is told, without a traceback."""
    result = run(folder, *words)
    assert cli.BAD_USAGE == result.exit_code
    assert message in result.output


def test_a_bad_case_ends_with_2_and_nothing_is_run(folder):
    """All problems of all cases come first."""
    (folder / "cases/update/one.yaml").write_text(CASE.replace("momentum", "momentm"))
    (folder / "cases/update/two.yaml").write_text("")
    result = run(folder, "numpy_demo")
    assert cli.BAD_USAGE == result.exit_code
    assert "one.yaml:5:22: unknown key 'momentm'; did you mean 'momentum'?" in result.output
    assert "two.yaml:1:1: the file is empty" in result.output
    assert not (folder / "out").exists()


def test_the_run_file_says_what_took_the_time(folder):
    """The slowest cases, and what went by outside of all cases."""
    run(folder, "numpy_demo")
    (path,) = (folder / "out/runs").iterdir()
    kept = read(path)
    seconds = {case_id: line["seconds"] for case_id, line in kept.lines()}
    assert seconds == pytest.approx(kept.end["slowest"], abs=1e-3)
    assert kept.end["seconds"] == pytest.approx(sum(seconds.values()) + kept.end["elsewhere"], abs=2e-3)


def test_a_named_target_that_cannot_be_run_ends_with_3(folder):
    """An interpreter that is not there is no divergence."""
    result = run(folder, "numpy_demo", "--python", folder / "no-python")
    assert cli.CANNOT_RUN == result.exit_code
    assert "numpy_demo is unavailable" in result.output


def test_an_unavailable_target_leaves_a_run_file_that_says_why(folder):
    """It is never silently absent from a report, and the file goes when the target runs."""
    run(folder, "numpy_demo", "--python", folder / "no-python")
    assert ["numpy_demo-unavailable.jsonl"] == [path.name for path in (folder / "out/runs").iterdir()]
    assert "numpy_demo[unavailable]" in (folder / "out/index.html").read_text()
    assert (
        "cannot be started" in read(folder / "out/runs/numpy_demo-unavailable.jsonl").header.provenance["unavailable"]
    )
    assert cli.GREEN == run(folder, "numpy_demo").exit_code
    assert "numpy_demo-unavailable.jsonl" not in [path.name for path in (folder / "out/runs").iterdir()]


NARROW = """
def describe():
    return {"framework": "numpy", "version": "1", "modes": {"one": {}, "two": {}}, "dialect": {}, "about": ABOUT}
class Layer:
    def __init__(self, layer, mode, workdir): pass
    def state(self): return {}
"""


@pytest.mark.parametrize(
    ("about", "run_in_two"),
    [({}, ["other", "update/one", "update/two"]), ({"two": ["predict"]}, ["other"]), ({"two": ["UPDATE-9"]}, [])],
)
def test_a_mode_is_run_on_the_cases_that_it_is_about(folder, about, run_in_two):
    """By a verb, or by a statement; a mode without such a case leaves no run file."""
    (folder / "narrow.py").write_text(NARROW.replace("ABOUT", repr(about)))
    (folder / "cases/other.yaml").write_text(CASE.replace("train: b", "predict: b").split("    expect")[0])
    run(folder, folder / "narrow.py")
    headers = [read(path).header for path in (folder / "out/runs").iterdir()]
    assert {header.target.mode: sorted(header.cases) for header in headers} == {
        "one": ["other", "update/one", "update/two"],
        **({"two": run_in_two} if run_in_two else {}),
    }


def test_what_a_mode_is_about_is_checked(folder):
    """A list of words, of a mode that there is."""
    (folder / "narrow.py").write_text(NARROW.replace("ABOUT", "{'three': ['fit']}"))
    result = run(folder, folder / "narrow.py")
    assert cli.CANNOT_RUN == result.exit_code
    assert "about['three'] must be a list of verbs and statements, of a mode that there is" in result.output


def test_report_comes_from_the_run_files_alone(folder):
    """The page is the same when it is rendered again, and a changed case is missing, not wrong."""
    run(folder, "numpy_demo")
    page = (folder / "out/index.html").read_text()
    words = ("report", folder / "out/runs", "--cases", folder / "cases", "-o", folder / "again")
    assert cli.GREEN == invoke(*words).exit_code
    assert page == (folder / "again/index.html").read_text()
    (folder / "cases/update/one.yaml").write_text(CASE.replace("0.9", "0.5").replace("0.3", "1.5"))
    changed = invoke(*words)
    assert cli.RED == changed.exit_code
    assert "the case has changed since this run" in changed.output


def test_a_filtered_run_replaces_no_whole_one(folder, monkeypatch):
    """Part of a run goes to a folder of its own."""
    monkeypatch.chdir(folder)
    assert cli.GREEN == invoke("run", "numpy_demo", "--cases", "cases", "--case", "*/one").exit_code
    assert ["filtered"] == [path.name for path in (folder / "reports").iterdir()]


def test_list_and_show_and_schema(folder):
    """What there is, what a case says, and what a case may say."""
    assert "update/two" in invoke("list", "--cases", folder / "cases").output
    assert "numpy_demo" in invoke("list", "targets").output
    shown = invoke("show", "update/one", "--cases", folder / "cases", "--dialect", "variance=sample").output
    assert "variance = sample" in shown
    assert "1.7" in shown
    assert cli.BAD_USAGE == invoke("show", "update/one", "--cases", folder / "cases", "--dialect", "x=y").exit_code
    assert '"title": "A case of the batch-normalisation conformance suite"' in invoke("schema").output


def test_lint_tells_and_ends_with_2(folder):
    """Green for good cases, the place of what is wrong otherwise."""
    assert cli.GREEN == invoke("lint", folder / "cases").exit_code
    (folder / "cases/update/one.yaml").write_text(CASE.replace("0.3", "0.31"))
    result = invoke("lint", folder / "cases")
    assert cli.BAD_USAGE == result.exit_code
    assert "one.yaml:9:14: the literal is not what the reference gives: [0.3]" in result.output


def test_smoke_says_what_is_wrong_with_an_adapter(folder):
    """A wrong shape is the adapter's fault; a wrong number may be the framework's."""
    assert cli.GREEN == invoke("smoke", "numpy_demo").exit_code
    broken = folder / "broken.py"
    broken.write_text(WRONG.replace("0.1 * self.variables[name] + 0.9 * new", "new[None]"))
    result = invoke("smoke", broken)
    assert cli.RED == result.exit_code
    assert "moving_mean has the shape (1, 2) instead of (2,)" in result.output
    (folder / "none.py").write_text("import nothing_of_that_name")
    assert cli.CANNOT_RUN == invoke("smoke", folder / "none.py").exit_code


def test_no_framework_is_imported_for_answers_that_need_none():
    """`--help`, `list` and `lint` stay quick whatever is installed."""
    script = (
        "import sys; from conformance import cli; cli.main(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script, "list", "targets"], capture_output=True, text=True, check=True
    ).stdout
    assert not {"numpy", "pydantic", "torch", "tensorflow", "jax"} & set(shown.split())
