"""Drives every verb of an adapter once: what is wrong with the adapter itself, before any case is run."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance.adapters import Adapter
from conformance.case import Case
from conformance.dialect import STANDARD
from conformance.judge import Result, judge
from conformance.load import build
from conformance.observe import observe
from conformance.process import Host, Interpreter, Unavailable
from conformance.run import wanted
from conformance.strict_yaml import parse

LAYER = "layer: {features: 2, momentum: 0.75, epsilon: 0.5, moving_mean: [1, 2], gamma: [2, 3]}"
DATA = """
data:
  x: [[1, 2], [5, 4], [3, 9]]
  u: [[1, 0], [0, 1], [2, 2]]
  m: [1, 1, 0]
  image: [[[[1, 2]], [[3, 5]]], [[[0, 4]], [[2, 1]]]]
"""
SGD = "targets: x, optimizer: {sgd: {learning_rate: 0.5}}, batch_size: 2"
ADAM = "targets: x, optimizer: {adam: {learning_rate: 0.5}}, batch_size: 3"
VERBS = {
    "train": "[train: x, train: x]",
    "train rank 4": "[train: image, predict: image]",
    "train mask": "[{train: x, mask: m}]",
    "predict": "[predict: x]",
    "call true": "[{call: x, training: true}]",
    "call false": "[{call: x, training: false}]",
    "call unset": "[{call: x, training: unset}]",
    "fit sgd": "[{fit: x, %s}]" % SGD,
    "fit adam": "[{fit: x, %s}]" % ADAM,
    "validation": "[{fit: x, %s, validation: x, validation_targets: x}]" % SGD,
    "evaluate": "[{train: x}, {evaluate: x, targets: u}]",
    "backward": "[{backward: x, upstream: u, training: true}, {backward: x, upstream: u, training: false}]",
    "freeze": "[{freeze: {of: layer}}, {train: x}]",
    "freeze model": "[{freeze: {of: model}}, {train: x}]",
    "unfreeze": "[{freeze: {of: layer}}, {unfreeze: {of: layer}}, {train: x}]",
    "save": "[{train: x}, {save: a}]",
    "restore": "[{train: x}, {save: a}, {train: x}, {restore: a, into: fresh}]",
    "restore same": "[{train: x}, {save: a}, {train: x}, {restore: a, into: same}]",
    "omit": "[{save: a}, {restore: a, into: fresh, omit: [moving_mean]}]",
    "settings": "[{save: a}, {restore: a, into: fresh, settings: {momentum: 0.5, epsilon: 0.25}}, {train: x}]",
    "mode": "[{mode: {training: false}}, {mode: {training: true}}]",
    "export": "[{train: x}, {export: a}, {train: x}, {predict: x, exported: a}]",
    "set": "[{set: {moving_mean: [7, 8]}}, {predict: x}]",
}
LAYERS = {
    "float16": "dtype: float16",
    "bfloat16": "dtype: bfloat16",
    "float64": "dtype: float64",
    "untracked": "track: false",
    "bare": "center: false, scale: false",
}
DENSE = "dense: {name: first, kernel: [[1, 2], [3, 4]], bias: [1, 0]}"
NORM = "batch_norm: {name: norm, features: 2, momentum: 0.75, epsilon: 0.5}"
PASSES = "{train: x}, {predict: x}, {fit: x, %s}" % SGD
NETWORKS = {
    "network": ("[{%s}, {%s}, {activation: tanh}]" % (DENSE, NORM), "[%s]" % PASSES),
    "again": ("[{%s}, {%s}, {again: norm}]" % (DENSE, NORM), "[%s]" % PASSES),
    "model": (
        "[{model: {name: base, layers: [{%s}]}}, {%s}]" % (NORM, DENSE),
        "[{train: x}, {freeze: {of: base}}, {train: x}]",
    ),
    "through": (
        "[{model: {name: base, layers: [{%s}]}}, {%s}]" % (NORM, DENSE),
        "[{train: x, through: base}, {predict: x, through: base}, {predict: x}]",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a verb did in a mode."""

    mode: str
    verb: str
    fine: bool
    message: str


def cases() -> Iterator[Case]:
    """A small case for every verb, for every kind of layer, and for networks."""
    for verb, steps in VERBS.items():
        yield _case(verb, LAYER, steps)
    for name, setting in LAYERS.items():
        yield _case(name, "layer: {features: 2, momentum: 0.75, epsilon: 0.5, %s}" % setting, "[train: x, predict: x]")
    for name, (entries, steps) in NETWORKS.items():
        yield _case(name, "network: " + entries, steps)


def _case(name: str, subject: str, steps: str) -> Case:
    return build(parse(f"title: {name}\n{subject}\n{DATA}\nsteps: {steps}\n", name), name)


def smoke(adapter: Adapter, interpreter: Interpreter) -> list[Finding]:
    """Every verb in every mode; a finding with the verb `start` when the adapter could not be started."""
    return asyncio.run(_smoke(adapter, interpreter))


async def _smoke(adapter: Adapter, interpreter: Interpreter) -> list[Finding]:
    found: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        try:
            host = await Host.start(adapter.path, interpreter, folder)
            await host.kill()
            said = host.introduction["ready"]
            modes = wanted(adapter, said, ())
        except Unavailable as error:
            return [Finding("", "start", False, error.reason)]
        for mode in modes:
            lines: dict[str, Any] = {}

            def record(case_id: str, raw: bytes, lines: dict[str, Any] = lines) -> None:
                lines[case_id] = json.loads(raw)

            await observe(adapter.path, mode, interpreter, cases(), record)
            dialect = STANDARD.under({**said["dialect"], **said["modes"][mode]})
            found += [_finding(mode, case, judge(case, lines.get(case.id), dialect)) for case in cases()]
    return found


def _finding(mode: str, case: Case, result: Result) -> Finding:
    """Structural faults are the adapter's; a departing number may be the framework's, and is only told."""
    first = result.first
    if first is not None and first.expected is not None:
        message = f"runs; {first.quantity} departs at step {first.step + 1}: the cases will tell"
        return Finding(mode, case.id, True, message)
    if first is not None:
        return Finding(mode, case.id, False, f"step {first.step + 1}: {first.quantity} {first.what}")
    if result.verdict == "unsupported":
        return Finding(mode, case.id, True, f"unsupported: {result.reason}")
    return Finding(mode, case.id, result.verdict == "conforms", result.reason or "conforms")
