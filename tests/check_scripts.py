"""Runs scripts of `conformance repro` here and now, and looks whether they show what the suite saw.

Usage: python tests/check_scripts.py ADAPTER [GLOB ...]      in the environment of the adapter's framework

Each divergence among the committed runs must be seen again, at the same step first; cases that conform, of which every
eighth is taken, must show no difference. With globs, all cases that match. Exits 1 where a script says something else.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from click import BadParameter

from conformance.corpus import select
from conformance.dialect import STANDARD
from conformance.judge import judge
from conformance.places import cases
from conformance.questions import find, observed, reproduce
from conformance.runs import Run

RUNS = Path(__file__).parent.parent / "reports" / "runs"


def differing(script: str) -> int:
    """The first step in which a script, run in a folder of its own, says that something differs; 0 for none."""
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(said):
        exec(compile(script, "script", "exec"), {"__name__": "__main__"})
    step = 0
    for line in said.getvalue().splitlines():
        found = re.match(r"step (\d+)", line)
        step = int(found[1]) if found else step
        if line.endswith("<- differs"):
            return step
    return 0


def check(run: Run, globs: tuple[str, ...]) -> Counter[str]:
    """How many scripts of a run show what was seen, and how many there are none of."""
    counted, dialect = Counter[str](), STANDARD.under(run.header.dialect)
    for number, (case, line) in enumerate(observed(run, select(cases(), globs))):
        result = judge(case, line, dialect)
        if result.verdict == "conforms" and number % 8 and not globs:
            continue
        if result.verdict not in ("conforms", "diverges", "errored"):
            continue
        seen = len(result.steps) + 1 if result.verdict == "errored" else result.first.step + 1 if result.first else 0
        try:
            script, *_ = reproduce(case.id, str(run.path), cases(), RUNS, like=None)
        except BadParameter as error:
            counted[re.sub(r".*for this: ", "no script: ", str(error))] += 1
            continue
        try:
            shown = differing(script)
        except Exception as error:  # noqa: BLE001 - whatever a script does wrong is told
            shown = repr(error)[:200]
        counted["right" if shown == seen else "WRONG"] += 1
        if shown != seen:
            print(
                f"{run.header.target.label} {case.id}: the suite saw a difference in step {seen}, the script: {shown}"
            )
    return counted


def main() -> None:
    adapter, *globs = sys.argv[1:]
    failed = False
    for run in find(adapter, RUNS):
        counted = check(run, tuple(globs))
        print(run.header.target.label, dict(counted))
        failed = failed or bool(counted["WRONG"]) or not counted["right"]
    sys.stdout.flush()
    os._exit(int(failed))  # some frameworks do not end of themselves


if __name__ == "__main__":
    main()
