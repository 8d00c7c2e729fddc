"""The script that makes environments for other Pythons."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "environments" / "build.py"
spec = importlib.util.spec_from_file_location("build", SCRIPT)
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def test_it_finds_the_interpreter_that_runs_it():
    """Of that version, on PATH, though a program of the name that does not run stands before it."""
    version = "%d.%d" % sys.version_info[:2]
    found = build.find(version)
    assert found is not None
    assert version in found


def test_a_program_that_does_not_run_is_passed_over(tmp_path, monkeypatch):
    """A shim that answers "command not found" is no interpreter."""
    shim = tmp_path / "python9.9"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert build.find("9.9") is None


def test_a_missing_interpreter_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    """The target will be unavailable, and this is why."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert "there is no Python 9.9 here" in build.build(tmp_path / "environment", "9.9", ["numpy"])
    assert not (tmp_path / "environment").exists()


def test_an_environment_that_is_there_is_kept(tmp_path):
    """With the same requirements nothing is made anew."""
    (tmp_path / "requirements.txt").write_text("numpy\n")
    assert build.build(tmp_path, "9.9", ["numpy"]) == ""
    assert "there is no Python 9.9" in build.build(tmp_path, "9.9", ["numpy", "torch"])
