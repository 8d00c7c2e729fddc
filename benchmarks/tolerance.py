"""How near honest frameworks come to the bound: the distribution of errors over generated cases of a type.

Usage: python benchmarks/tolerance.py TARGET[MODE] [--python PATH] [--cases 2000] [--dtype float32]

Random layers of rank 2 to 5, |mean|/sigma up to 1e5 (100 in a 16-bit type, whose range is small), any momentum, epsilon
from 1e-7 to 1 (1e-3 to 1); two training passes, a prediction, a backward pass each way. Prints, for each quantity,
quantiles of the worst error of a case in units of the bound (k = 8), so that 1 is where a divergence would begin. The
random stream is fixed.
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    arguments = parser.parse_args()
    name, mode = re.fullmatch(r"(\w+)(?:\[([\w-]+)\])?", arguments.target).groups()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "cases").mkdir()
        corpus = select(generate(folder / "cases", arguments.cases, arguments.dtype), ())
        corpus.check()
        job = Job([adapters.named(name)], (mode,) if mode else (), corpus, Interpreter(arguments.python), folder)
        ran = run(job, Watch())[0]
        kept = read(ran.path)
        dialect, verdicts = STANDARD.under(kept.header.dialect), collections.Counter()
        errors = collections.defaultdict(list)
        for case_id, line in kept.lines():
            result = judge(corpus.case(case_id), line, dialect)
            verdicts[result.verdict] += 1
            worst = collections.Counter()
            for step in result.steps:
                for item in step:
                    worst[item.name] = max(worst[item.name], item.error)
            for quantity, error in worst.items():
                errors[quantity].append(error)
    print(f"{kept.header.target.label}, {kept.header.target.environment}, {arguments.dtype}: {dict(verdicts)}")
    for quantity, seen in errors.items():
        quantiles = np.quantile(seen, [0.5, 0.99, 0.999, 1])
        print(
            f"  {quantity:16} "
            + "  ".join(
                f"{label} {value:8.4f}"
                for label, value in zip(("median", "99%", "99.9%", "max"), quantiles, strict=True)
            )
        )


if __name__ == "__main__":
    main()
