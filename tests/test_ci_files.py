"""The action, the hooks and the image, used as they will be used; and the annotations."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
import yaml
from click.testing import CliRunner
from conftest import CASES, FAULTS, ROOT, clean_copy

from conformance import annotate, cli
from conformance.runs import read

HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
RUN = 1


def test_the_action_runs_the_cases_and_says_how_it_ended(action, tmp_path):
    """Its second step, on a bare machine: report, outputs, summary, status."""
    done = action.step(
        RUN, tmp_path, targets="numpy_demo", python=sys.executable, arguments="--case update --case axes"
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "status=0\nreport=conformance-report\n" == (tmp_path / "GITHUB_OUTPUT").read_text()
    assert "numpy_demo[eager]" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    (run,) = (tmp_path / "conformance-report/runs").iterdir()
    assert read(run).complete


def test_the_action_is_red_where_something_is(action, tmp_path):
    """The status is that of the command, the lines are annotated, and the list of known divergences counts."""
    inputs = {"targets": FAULTS / "momentum_reversed.py", "python": sys.executable}
    words = f"--cases {CASES} --path {FAULTS}"
    done = action.step(RUN, tmp_path, **inputs, arguments=words)
    assert cli.RED == done.returncode, done.stdout + done.stderr
    assert "\n::error title=momentum_reversed[eager] diverges" in done.stdout
    assert "status=1\n" in (tmp_path / "GITHUB_OUTPUT").read_text()
    assert "::error" not in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    target = "momentum_reversed[eager]"
    ids = sorted({match[1] for match in re.finditer(r"^✗ diverges \S+ (\S+): ", done.stdout, re.MULTILINE)})
    assert ids
    entries = [{"target": target, "case": case_id, "reason": "It is wrong on purpose."} for case_id in ids]
    (tmp_path / "known.yaml").write_text(yaml.safe_dump({"known": entries}))
    assert 0 == action.step(RUN, tmp_path, **inputs, arguments=words, known="known.yaml").returncode


def test_what_a_caller_writes_is_never_a_command(action, tmp_path):
    """Inputs reach the shell as variables, and nothing in them is expanded."""
    (tmp_path / "a-file").touch()
    done = action.step(RUN, tmp_path, targets="$(touch${IFS}made) `touch made` * ; touch made", python=sys.executable)
    assert cli.BAD_USAGE == done.returncode
    assert not (tmp_path / "made").exists()
    assert "a-file" not in done.stdout + done.stderr


def test_every_expression_of_the_action_stands_outside_its_scripts(action):
    """`${{ }}` in a script is pasted into it."""
    scripts = [step["run"] for step in action.text["runs"]["steps"] if "run" in step]
    for name in ("conformance", "tests"):
        workflow = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())
        scripts += [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert len(scripts) > 5
    assert [] == [script for script in scripts if "${{" in script]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_passes_the_cases_that_are_here_and_stops_a_bad_one(hook, tmp_path):
    """It is given file names, as pre-commit gives them."""
    assert hook["language"] == "python"
    pattern = re.compile(hook["files"])
    assert pattern.search("cases/update/moving_mean_step.yaml")
    assert not pattern.search("tests/faults/known.yaml")
    good = tmp_path / "cases/good.yaml"
    good.parent.mkdir()
    shutil.copyfile(ROOT / "cases/update/moving_mean_step.yaml", good)
    program, *words = shlex.split(hook["entry"])
    assert program == "conformance"
    assert 0 == CliRunner().invoke(cli.main, [*words, str(good)]).exit_code
    bad = tmp_path / "cases/bad.yaml"
    bad.write_text(good.read_text().replace("title:", "titel:"))
    assert 0 != CliRunner().invoke(cli.main, [*words, str(good), str(bad)]).exit_code


def test_the_image_holds_what_the_wheel_holds(tmp_path, installed):
    """Its COPY lines bring all that its RUN line needs, and its Python is one that the suite takes."""
    clean_copy(tmp_path / "context")
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    for *sources, to in (line.split()[1:] for line in lines if line.startswith("COPY ")):
        for source in sources:
            place = tmp_path / to.lstrip("/") / (source if to.endswith("/") else "")
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (tmp_path / "context" / source).is_dir() else shutil.copyfile
            copy(tmp_path / "context" / source, place)
    (install,) = (shlex.split(line)[1:] for line in lines if line.startswith("RUN "))
    assert ["pip", "install", "--no-cache-dir", "/suite"] == install
    pip = [installed / "bin/python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path]
    subprocess.run([*pip, tmp_path / "suite"], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    here = next(installed.glob("lib/python*/site-packages"))
    there = {path.relative_to(here).as_posix() for path in here.glob("conformance/**/*.*") if path.suffix != ".pyc"}
    assert there == {name for name in names if name.startswith("conformance/")}
    (version,) = re.findall(r"FROM python:([0-9.]+)", "\n".join(lines))
    assert f">={version}" == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]


def test_an_annotation_points_to_the_step(tmp_path, monkeypatch):
    """File and line of what departs, below the folder where one is."""
    monkeypatch.chdir(ROOT)
    words = ("run", FAULTS / "variance_sample.py", "--path", FAULTS, "--cases", CASES, "--annotate", "-o", tmp_path)
    result = CliRunner().invoke(cli.main, [str(word) for word in words])
    assert cli.RED == result.exit_code
    found = re.findall(r"^::error file=(.*?),line=(\d+),title=(.*?)::(.*)$", result.output, re.MULTILINE)
    assert found
    for file, line, title, message in found:
        step = re.match(r"step (\d+)%?:", message)
        text = (ROOT / file).read_text().splitlines()
        steps = text.index("steps:") + 1
        begins = [number for number, one in enumerate(text[steps:], steps + 1) if one.startswith("  - ")]
        assert int(line) == begins[int(step[1]) - 1]
        assert title.startswith("variance_sample[eager] diverges%3A ")


def test_a_message_cannot_end_its_command():
    """What a framework says may hold anything."""
    expected = "::error title=a%3A%2Cb%0A::50%25 %0D%0A::error::x, y: z"
    assert expected == annotate.command("error", "50% \r\n::error::x, y: z", title="a:,b\n")


def test_the_recipes_name_what_there_is():
    """Inputs of the action and of the workflow, hooks, and options of the commands."""
    text = (ROOT / "docs/ci.md").read_text()
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    workflow = yaml.safe_load((ROOT / ".github/workflows/conformance.yml").read_text())
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    (step,) = (block[0] for block in blocks if isinstance(block, list))
    assert set() == set(step["with"]) - set(action["inputs"])
    (job,) = (block["jobs"]["conformance"] for block in blocks if "jobs" in block)
    assert set() == set(job["with"]) - set(workflow[True]["workflow_call"]["inputs"])
    (repo,) = (block["repos"][0] for block in blocks if "repos" in block)
    assert [hook["id"] for hook in repo["hooks"]] == [hook["id"] for hook in HOOKS]
    options = {name for command in cli.main.commands.values() for option in command.params for name in option.opts}
    shells = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    used = {
        word for line in shells.splitlines() if "conformance " in line for word in re.findall(r" (--[a-z-]+)", line)
    }
    assert set() == used - options - {"--quiet"}
