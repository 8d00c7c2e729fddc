"""What the suite adds to a framework's own time, and what it takes for itself, over generated cases of five steps.

Usage: python benchmarks/overhead.py [--target torch_nn] [--python PATH] [--cases 1000] [--memory]

Prints, in seconds of CPU: the floor (benchmarks/floor.py, same interpreter, same run); the host with the adapter on the
same calls; and the suite's own stages. With --memory: how much both sides grow from 100 to 10,000 cases.
"""

import argparse
import asyncio
import gc
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from conformance import adapters, report
from conformance import corpus as corpus_module
from conformance.corpus import select
from conformance.observe import Sitting
from conformance.plan import request
from conformance.process import Host, Interpreter
from conformance.render.html import write_page
from conformance.run import Job, Watch, run

CASE = """\
title: Generated {number}
question: Does it?
effect: None.
sources: [https://arxiv.org/abs/1502.03167]
layer: {{features: 4, momentum: 0.9, epsilon: 0.001}}
data:
  first: {{random_state: {number}, normal: [8, 4]}}
  second: {{random_state: {number}, normal: [8, 4], skip: 32, scale: 2, shift: 1}}
steps:
  - train: first
  - train: second
  - predict: first
  - train: first
  - predict: second
    expect: {{gamma: [1, 1, 1, 1], beta: [0, 0, 0, 0]}}
"""


def generate(folder, count):
    for number in range(count):
        (folder / f"case_{number:05}.yaml").write_text(CASE.format(number=number))
    return folder


def floor(target, python, count):
    script = Path(__file__).with_name("floor.py")
    settings = {"OMP_NUM_THREADS": "1", **os.environ}  # as the suite sets it
    command = [python, str(script), target, str(count)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=settings)
    return float(shown.stdout.split()[-1])


def host_cpu(target, python, lines):
    """CPU seconds that the host takes from its first to its last answer, read from the process itself."""

    async def measure():
        with tempfile.TemporaryDirectory() as folder:
            host = await Host.start(adapters.named(target).path, Interpreter(python), folder)
            mode = next(iter(host.introduction["ready"]["modes"]))
            sitting = Sitting(adapters.named(target).path, mode, Interpreter(python), Path(folder))
            await sitting.begin(host)
            clock = ~host.process.pid << 3 | 2  # clock_getcpuclockid(3): of the whole process, in nanoseconds
            warm = len(lines) // 10
            for line in lines[:warm]:
                host.send(line)
            for _ in range(warm):
                await host.line(60)
            before = time.clock_gettime(clock)
            for line in lines:
                host.send(line)
            for _ in lines:
                await host.line(60)
            used = time.clock_gettime(clock) - before
            await host.kill()
            return used

    return asyncio.run(measure())


def stages(target, python, root, folder):
    """CPU seconds of the suite's own process: everything from the YAML files to the page."""
    job_interpreter = Interpreter(python)
    corpus_module._load.cache_clear()  # what has been loaded for the measurements before does not count
    marks = [("", time.process_time())]
    corpus = select(root, ())
    corpus.check()
    marks.append(("load", time.process_time()))
    adapter = adapters.named(target)
    mode = ("module",) if target == "torch_nn" else ("layer",) if target == "keras_layers" else ("eager",)
    ran = run(Job([adapter], mode, corpus, job_interpreter, folder / "runs"), Watch())
    marks.append(("plan, send, receive, write", time.process_time()))
    made = report.build(corpus, [outcome.path for outcome in ran], [])
    marks.append(("judge", time.process_time()))
    write_page(made, folder / "index.html")
    marks.append(("render", time.process_time()))
    return {name: now - before for (_, before), (name, now) in itertools.pairwise(marks)}


def memory(target, python, root, folder):
    """Resident megabytes of the suite's process and the host's after 100 and after 10,000 cases."""

    class Weigh(Watch):
        def __init__(self):
            self.answers, self.seen = 0, {}

        def answered(self, _):
            self.answers += 1
            if self.answers in (100, 10_000):
                children = psutil.Process().children()
                self.seen[self.answers] = [round(p.memory_info().rss / 1e6, 1) for p in (psutil.Process(), *children)]

    corpus = select(root, ())
    for name in corpus.ids:
        corpus.digests[name] = "0"
    weigh = Weigh()
    mode = ("module",) if target == "torch_nn" else ("layer",) if target == "keras_layers" else ("eager",)
    run(Job([adapters.named(target)], mode, corpus, Interpreter(python), folder / "runs"), weigh)
    return weigh.seen


def main():
    gc.set_threshold(50_000, 20, 20)  # as the command line does
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", default="torch_nn")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5, help="rounds, each of the floor, the adapter and the host")
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if arguments.memory:
            (folder / "cases").mkdir()
            root = generate(folder / "cases", 10_000)
            print(json.dumps(memory(arguments.target, arguments.python, root, folder)))
            return
        (folder / "cases").mkdir()
        root = generate(folder / "cases", arguments.cases)
        corpus = select(root, ())
        lines = [request(case) for case in corpus]
        path = str(adapters.named(arguments.target).path)
        rounds = [
            (
                floor(arguments.target, arguments.python, arguments.cases),
                floor(path, arguments.python, arguments.cases),
                host_cpu(arguments.target, arguments.python, lines),
            )
            for _ in range(arguments.repeat)
        ]
        print(f"{arguments.target}, {arguments.cases} cases, CPU seconds, median of {arguments.repeat} rounds")
        bare, called, hosted = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratios = sorted(hosted / bare for bare, _, hosted in rounds)
        print(f"  bare loop                  {bare:8.3f}")
        print(f"  the same calls, adapted    {called:8.3f}   {called / bare:.2f} times the bare loop")
        print(
            f"  host and adapter           {hosted:8.3f}   {statistics.median(ratios):.2f} times the bare loop"
            f" ({ratios[0]:.2f} to {ratios[-1]:.2f}), {hosted / called:.2f} times adapted"
        )
        own = stages(arguments.target, arguments.python, root, folder)
        for name, seconds in own.items():
            print(f"  {name:26} {seconds:8.3f}")
        print(f"  ours in all                {sum(own.values()):8.3f}")


if __name__ == "__main__":
    main()
