"""What explaining costs: CPU seconds over the divergences of run files, known ones included, and for each.

Usage: python benchmarks/explain.py [RUN ...]     (by default those in reports/runs)

Two changes at a time are tried for all, which a report does only for what has no written reason. Targets that show the
same bits share an explanation, as they do there; what an explanation costs that is shared with nobody is told besides.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from conformance.causes import Observed
from conformance.corpus import select
from conformance.dialect import STANDARD
from conformance.explain import told
from conformance.places import cases
from conformance.questions import observed
from conformance.runs import read


def main() -> None:
    corpus, total, count = select(cases(), ()), 0.0, 0
    for path in [Path(name) for name in sys.argv[1:]] or sorted(Path("reports/runs").glob("*.jsonl")):
        run = read(path)
        dialect = STANDARD.under(run.header.dialect)
        for case, line in observed(run, corpus):
            steps = line.get("steps", [])
            if any("unsupported" in step for step in steps) or Observed(case, steps).fits(dialect) or not steps:
                continue
            started = time.process_time()
            words = told(case, json.dumps(steps), dialect, two=True)
            spent = time.process_time() - started
            total, count = total + spent, count + 1
            print(f"{1000 * spent:7.1f} ms  {run.header.target.label:26}{case.id:64}{words or 'UNEXPLAINED'}")
    own = told.cache_info().misses
    print(f"{count} divergences, {1000 * total / max(count, 1):.1f} ms each")
    print(f"{own} of them of their own, {1000 * total / max(own, 1):.1f} ms each")


main()
