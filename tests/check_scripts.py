"""Runs scripts of `conformance repro` here and now, and looks whether they show what the suite saw.

Usage: python tests/check_scripts.py TARGET [--as OTHER ...] [GLOB ...]      in the environment of its framework
       python tests/check_scripts.py --python PATH TARGET ...               in that interpreter, which may be an old one

With --python, each script has a process of its own, which those want that build a graph.

Each divergence among the committed runs must be seen again, at the same step first, and what could not be built must
raise the same type of error; cases that conform, of which every eighth is taken, must show no difference. With globs,
all cases that match. With --as, the scripts expect what another target showed instead: a layer that was ported does the
same, and differs first where the conventions do. Exits 1 where a script says something else, unless the list of known
divergences calls the case unsteady, and where there is none for a divergence.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from click import BadParameter

from conformance.causes import Observed
from conformance.corpus import select
from conformance.dialect import STANDARD
from conformance.judge import judge
from conformance.known import load
from conformance.places import adapters, cases
from conformance.questions import find, observed
from conformance.reproduce import reproduce
from conformance.runs import Run

OTHER = Path(__file__).with_name("run_scripts.py")
RUNS = Path(__file__).parent.parent / "reports" / "runs"


def here(script: str) -> str:
    """What a script prints that is run in this process and in a folder of its own."""
    said = io.StringIO()
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", False)  # which a script of float64 has switched on
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(said):
        path = Path(folder, "script.py")  # some frameworks read the source of what they compile
        path.write_text(script)
        runpy.run_path(str(path), run_name="__main__")
    return said.getvalue()


class There:
    """Has scripts run by another interpreter."""

    def __init__(self, python: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([python, str(OTHER)], stdin=pipe, stdout=pipe, text=True)

    def __call__(self, script: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(script) + "\n")
        self.process.stdin.flush()
        said = str(json.loads(self.process.stdout.readline()))
        if "\nraised " in f"\n{said}":
            raise RuntimeError(said.rpartition("raised ")[2].strip().splitlines()[-1])
        return said


def differing(said: str) -> int:
    """The first step in which a script says that something differs; 0 for none."""
    step = 0
    for line in said.splitlines():
        found = re.match(r"step (\d+)", line)
        step = int(found[1]) if found else step
        if line.endswith("<- differs"):
            return step
    return 0


def outcome(script: str, do: Callable[[str], str]) -> int | str:
    """The first step in which a script says that something differs, or what it raises instead."""
    try:
        return differing(do(script))
    except Exception as error:  # noqa: BLE001 - whatever a script does wrong is told
        return repr(error)[:200]


def told(shown: int | str, seen: int, run: Run, case_id: str, line: Mapping[str, Any]) -> str:
    """What a script shows against what was seen: right, WRONG, or another turn of what is not always the same."""
    if shown == seen or ("raised" in line and line["raised"][0] in str(shown)):
        return "right"
    listed = [entry for entry in load(adapters() / "known.yaml") if entry.matches(run.header.target, case_id)]
    return "unsteady" if isinstance(shown, int) and any(entry.unsteady for entry in listed) else "WRONG"


def check(run: Run, globs: tuple[str, ...], other: Run | None, do: Callable[[str], str]) -> Counter[str]:
    """How many scripts of a run show what was seen, and how many there are none of."""
    counted, dialect = Counter[str](), STANDARD.under(run.header.dialect)
    others = dict(other.lines()) if other else {}
    for number, (case, line) in enumerate(observed(run, select(cases(), globs))):
        result = judge(case, line, dialect)
        if result.verdict not in ("conforms", "diverges", "errored") or (other and result.verdict != "conforms"):
            continue
        if result.verdict == "conforms" and number % 8 and not globs:
            continue
        seen = len(result.steps) + 1 if result.verdict == "errored" else result.first.step + 1 if result.first else 0
        if other:
            theirs = Observed(case, others.get(case.id, {}).get("steps", []))
            if not theirs.whole or any("unsupported" in step for step in theirs.steps):
                continue
            seen = 0 if theirs.fits(dialect) else theirs.reach(dialect)[0] + 1
        try:
            like = str(other.path) if other else None
            script = reproduce(case.id, str(run.path), cases(), RUNS, like).script
        except BadParameter as error:
            why = re.sub(r".*for this: ", "no script: ", str(error))
            counted[why] += 1
            if seen and not other:
                counted["WRONG"] += 1
                tell(f"{run.header.target.label} {case.id}: the suite saw a difference in step {seen}, and {why}")
            continue
        shown = outcome(script, do)
        found = told(shown, seen, run, case.id, line)
        counted[found] += 1
        if found == "WRONG":
            tell(f"{run.header.target.label} {case.id}: the suite saw a difference in step {seen}, the script: {shown}")
    return counted


def tell(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Check the runs of a target."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--as", dest="others", action="append", default=[])
    parser.add_argument("--python")
    parser.add_argument("globs", nargs="*")
    given = parser.parse_args()
    do = There(given.python) if given.python else here
    total = Counter[str]()
    for other in [run for name in given.others for run in find(name, RUNS)] or [None]:
        for run in find(given.target, RUNS):
            counted = check(run, tuple(given.globs), other, do)
            tell(f"{run.header.target.label}{f' as {other.header.target.label}' if other else ''} {dict(counted)}")
            total += counted
    os._exit(int(bool(total["WRONG"]) or not total["right"]))  # some frameworks do not end of themselves


if __name__ == "__main__":
    main()
