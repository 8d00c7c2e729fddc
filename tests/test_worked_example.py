"""The worked example of docs/adapters.md, run as it stands: every file, every change, every command."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

ADAPTER = "tinynorm_adapter.py"
EXAMPLE = (ROOT / "docs/adapters.md").read_text().partition("## From an empty file to green")[2]
BLOCKS = re.findall(r"(?:<!-- (\S+) -->\n)?```(\w+)\n(.*?)```\n", EXAMPLE, re.DOTALL)
SHELL = 'conformance() { %s -m conformance.cli "$@"; }\n' % sys.executable


def append(file: Path, text: str) -> None:
    """A block of code goes on where the one before ended."""
    before = file.read_text() + "\n\n" if file.exists() and file.stat().st_size else ""
    file.write_text(before + text)


def change(file: Path, diff: str) -> None:
    """The lines without + become those without -; there is one such place."""
    lines = diff.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] != sign) for sign in "+-")
    assert 1 == file.read_text().count(old), old
    file.write_text(file.read_text().replace(old, new))


def expected(line: str) -> str:
    """A pattern for a line: a lone … stands for any lines, one at the end for any rest."""
    if line == "…":
        return "(?:.*\n)*"
    return re.escape(line.removesuffix("…")) + (".*\n" if line.endswith("…") else "\n")


def check(folder: Path, console: str) -> int:
    """Run the commands; the output must be what the document shows. Returns how many were run."""
    commands = re.findall(r"^\$ (.*)\n((?:[^$\n].*\n)*)", console, re.MULTILINE)
    for command, shown in commands:
        done = subprocess.run(
            ["bash", "-c", SHELL + command],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        pattern = "".join(expected(line) for line in shown.splitlines())
        assert re.fullmatch(pattern, done.stdout), f"{command}\n{done.stdout}"
    return len(commands)


def test_the_worked_example_goes_from_an_empty_file_to_green(tmp_path: Path) -> None:
    """Including both kinds of red on the way."""
    commands = 0
    for name, kind, text in BLOCKS:
        if kind == "python":
            append(tmp_path / name, text)
        elif kind == "diff":
            change(tmp_path / ADAPTER, text)
        else:
            assert "console" == kind
            commands += check(tmp_path, text)
    assert EXAMPLE.count("\n$ ") == commands > 0
    assert BLOCKS[-1][2].endswith("exit status 0\n")
