"""How near honest frameworks come to the bound: the distribution of errors over generated cases of a type.

Usage: python benchmarks/tolerance.py TARGET[MODE] [--python PATH] [--env NAME=VALUE] [--cases 2000] [--dtype float32]

Random layers of rank 2 to 5, |mean|/sigma up to 1e5 (100 in a 16-bit type, whose range is small), any momentum, epsilon
from 1e-7 to 1 (1e-3 to 1); two training passes, a prediction, a backward pass each way. Prints a row of Markdown:
verdicts, and for each quantity the median, the 99.9 % quantile and the worst of the cases' worst errors, in units of
the bound (k = 8), so that 1 is where a divergence would begin; the cases that diverge go to stderr. The random stream
is fixed.
"""

import argparse
import collections
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

from conformance import adapters
from conformance.corpus import select
from conformance.dialect import STANDARD
from conformance.dtypes import DTYPES
from conformance.judge import judge
from conformance.observe import Interpreter
from conformance.run import Job, Watch, run
from conformance.runs import read

CASE = """\
title: Generated {number}
layer:
  features: {features}
  dtype: {dtype}
  momentum: {momentum}
  epsilon: {epsilon}
  gamma: {gamma}
  beta: {beta}
  moving_mean: {mean}
  moving_variance: {variance}
data:
  a: {{random_state: {number}, normal: {shape}, scale: {scale}, shift: {shift}}}
  b: {{random_state: {number}, normal: {shape}, scale: {scale}, shift: {shift}, skip: 1000}}
  u: {{random_state: {number}, normal: {shape}, skip: 2000}}
steps:
  - train: a
  - train: b
  - predict: a
  - {{backward: a, upstream: u, training: true}}
  - {{backward: b, upstream: u, training: false}}
"""


def plain(values):
    return "[" + ", ".join(f"{value:.6f}" for value in values) + "]"


def generate(folder, count, dtype):
    short = "16" in dtype
    stream = np.random.RandomState(2026)
    shapes = [[8, 3], [64, 2], [4, 5, 2], [3, 2, 2, 2], [2, 2, 3, 2, 2]]  # few, since frameworks compile each
    for number in range(count):
        shape = shapes[number % len(shapes)]
        scale, ratio = (
            10.0 ** (stream.uniform(-1, 1) if short else stream.uniform(-3, 3)),
            10.0 ** stream.uniform(-2, 2 if short else 5),
        )
        features = shape[-1]
        text = CASE.format(
            number=number,
            shape=shape,
            features=features,
            dtype=dtype,
            momentum=[0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0][stream.randint(7)],
            epsilon=f"{10.0 ** stream.uniform(-3 if short else -7, 0):.9f}",
            gamma=plain(stream.standard_normal(features)),
            beta=plain(stream.standard_normal(features)),
            mean=plain(stream.standard_normal(features) * scale),
            variance=plain(stream.random_sample(features) * scale**2 + 0.001),
            scale=f"{scale:.6f}",
            shift=f"{scale * ratio:.6f}",
        )
        (folder / f"case_{number:05}.yaml").write_text(text)
    return folder


QUANTITIES = ("output", "moving_mean", "moving_variance", "input_gradient", "gamma_gradient", "beta_gradient")


def observe(arguments, folder):
    """Have the target answer the generated cases: its run file, and the corpus."""
    name, mode = re.fullmatch(r"(\w+)(?:\[([\w-]+)\])?", arguments.target).groups()
    (folder / "cases").mkdir()
    corpus = select(generate(folder / "cases", arguments.cases, arguments.dtype), ())
    corpus.check()
    environment = dict(item.split("=", 1) for item in arguments.env)
    interpreter = Interpreter(arguments.python, environment=environment)
    ran = run(Job([adapters.named(name)], (mode,) if mode else (), corpus, interpreter, folder), Watch())[0]
    return read(ran.path), corpus


def judged(kept, corpus):
    """How many have which verdict, and for each quantity the worst error of every case."""
    dialect, verdicts, errors = (
        STANDARD.under(kept.header.dialect),
        collections.Counter(),
        collections.defaultdict(list),
    )
    for case_id, line in kept.lines():
        result = judge(corpus.case(case_id), line, dialect)
        verdicts[result.verdict] += 1
        if result.verdict not in ("conforms", "diverges"):
            continue
        worst = collections.Counter()
        for item in (item for step in result.steps for item in step):
            if np.isfinite(item.error):  # what has another type than is declared has no error in bounds
                worst[item.name] = max(worst[item.name], item.error)
        if max(worst.values(), default=0) > 1:
            print(f"{case_id}: {dict(worst)}", file=sys.stderr)
        for quantity, error in worst.items():
            errors[quantity].append(error)
    return verdicts, errors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        kept, corpus = observe(arguments, Path(temporary))
        verdicts, errors = judged(kept, corpus)
    said = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(verdicts.items()))
    target = kept.header.target
    quantiles = {name: np.quantile(seen, [0.5, 0.999, 1]) for name, seen in errors.items() if seen}
    cells = [
        " / ".join(f"{value:.2f}" for value in quantiles[name]) if name in quantiles else "" for name in QUANTITIES
    ]
    print("| " + " | ".join([f"{target.label}, {target.environment}", arguments.dtype, said, *cells]) + " |")


if __name__ == "__main__":
    main()
