"""Reports by hand: cases of a few lines, run files of a few results, and texts that mean harm."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np

from conformance import load, report, runs, wire
from conformance.dialect import STANDARD
from conformance.reference import trace
from conformance.strict_yaml import parse

OVERRIDE = "\u202e"
HOSTILE = f"""<script>alert('1')</script><img src=x onerror="alert(2)"> & "quoted" {OVERRIDE}txt.exe"""
SHOWN = HOSTILE.replace(OVERRIDE, "\ufffd")
LONG = "x" * 100_000
PLAIN = {
    "title": "The mean goes half of the way",  # to 2; the variance is 4 already, and all is exact in float32
    "layer": {"features": 1, "momentum": 0.5, "epsilon": 0, "moving_mean": [1], "moving_variance": [4]},
    "data": {"batch": [[1], [5]]},
    "steps": [{"train": "batch"}, {"predict": "batch"}],
}
TORCH = runs.Target("torch_nn", "module", "torch", "2.13.0+cpu")
LAYER = runs.Target("keras_layers", "layer", "keras", "3.15.1", "tensorflow 2.21.0")
FUNCTIONAL = replace(LAYER, mode="functional")
PROVENANCE = {
    "suite": "0.1.0",
    "python": "3.11.7",
    "platform": "Linux-6.1-x86_64",
    "versions": {"numpy": "2.4.6"},
    "settings": {"OMP_NUM_THREADS": "1"},
    "timeout": 60.0,
    "command": ["conformance", "run", "torch_nn"],
    "started": "2026-01-02T03:04:05+00:00",
}


@dataclass
class Cases:
    """Cases by hand, where a report expects a folder of them."""

    cases: dict

    def __iter__(self):
        return iter(self.cases.values())

    def __contains__(self, case_id):
        return case_id in self.cases

    @property
    def ids(self):
        return tuple(self.cases)

    def case(self, case_id):
        return self.cases[case_id]

    def digest(self, case_id):
        return self.cases[case_id].digest


def made(case_id, **changes):
    """A case, which differs from the plain one in some keys."""
    return load.build(parse(json.dumps(PLAIN | changes), "x"), case_id)


def seen(case, dialect=STANDARD, **changes):
    """The line of a target that does what the reference does; changes are quantities of the last step."""
    float32 = ({name: np.float32(value.expected) for name, value in o.quantities.items()} for o in trace(case, dialect))
    steps = [{"quantities": {name: wire.encode(array) for name, array in step.items()}} for step in float32]
    steps[-1]["quantities"] |= changes
    return {"id": case.id, "steps": steps}


def report_of(folder, cases, *ran, cut_off=False, provenance=PROVENANCE, excuses=()):
    """A report of cases and (target, lines) or (target, lines, dialect) for each run; the folder takes its files."""
    corpus, columns = Cases({case.id: case for case in cases}), []
    for number, (target, lines, *dialect) in enumerate(ran):
        path = folder / f"{number}.jsonl"
        answered = {line["id"] for line in lines}
        asked = {case.id: case.digest for case in cases if cut_off or case.id in answered}
        writer = runs.Writer(path, runs.Header(target, *(dialect or [{}]), provenance, asked))
        for line in lines:
            writer.write(line)
        writer.close(None if cut_off else {"seconds": 1.0})
        columns.append(report.column(corpus, runs.read(path), list(excuses)))
    return report.Report(list(cases), columns)
