"""Render 250 cases × 60 targets and use the page: time, memory, size, first view, filter.

    python benchmarks/render.py [--cases 250] [--targets 60]

The report is made up from the run files that are committed: their cases and targets again and again under other names,
each copy with its numbers off by some rounding of its own, some of them red. Judging is not measured. The browser part
needs Chromium at /usr/bin/chromium and playwright; without them it is left out, which is said.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from conformance import known, report
from conformance.corpus import select
from conformance.judge import Divergence
from conformance.places import adapters, cases
from conformance.render.html import html

ROOT = Path(__file__).parent.parent
CHROMIUM = Path("/usr/bin/chromium")
LIMITS = {"seconds": 5.0, "memory MB": 500.0, "page MB": 5.0, "first view s": 1.0, "filter ms": 100.0}
RED_SHARE = 0.03


def made_up(runs: Path, wanted_cases: int, wanted_targets: int) -> report.Report:
    """The committed report, as often as it takes."""
    corpus = select(cases(), ())
    paths = report.run_files(runs)[:wanted_targets]
    true = report.build(corpus, paths, known.load(adapters() / "known.yaml"))
    random = np.random.RandomState(0)
    several = [
        replace(case, id=case.id if again == 0 else f"{case.id}_{again}")
        for again in range(-(-wanted_cases // len(true.cases)))
        for case in true.cases
    ][:wanted_cases]
    if not any(column.counts.get("conforms") for column in true.columns):
        raise SystemExit(f"nothing conforms in {runs}: the cases have changed since, and a page of that is too easy")
    columns = [
        copied(true.columns[place % len(true.columns)], place, several, random) for place in range(wanted_targets)
    ]
    return report.Report(several, columns)


def copied(column: report.Column, place: int, several: list, random: np.random.RandomState) -> report.Column:
    """A target under another version, with roundings of its own."""
    header = column.run.header
    target = replace(header.target, version=f"{header.target.version}.{place}")
    results = {}
    for case in several:
        result = column.results.get(case.id) or column.results.get(case.id.rpartition("_")[0])
        if result is not None:
            results[case.id] = rounded(result, case.id, random)
    return replace(column, run=replace(column.run, header=replace(header, target=target)), results=results)


def rounded(result, case_id: str, random: np.random.RandomState):
    """A result with other errors, and now and then a divergence of its own."""
    red = result.verdict == "conforms" and result.steps and random.uniform() < RED_SHARE
    steps = tuple(tuple(nudged(item, random) for item in step) for step in result.steps)
    if not red:
        error = float(result.error * random.uniform(0.5, 1))
        return replace(result, case=case_id, steps=steps, error=error)
    item = steps[-1][-1]
    moved = np.asarray(item.observed) + random.randint(1, 5)
    first = Divergence(len(steps) - 1, item.name, "departs", (), 1.0, 2.0, 1e5)
    last = (*steps[-1][:-1], replace(item, observed=moved, divergence=first, error=1e5))
    return replace(
        result, case=case_id, verdict="diverges", first=first, worst=first, error=1e5, steps=(*steps[:-1], last)
    )


def nudged(item, random: np.random.RandomState):
    """A quantity off by up to one unit in the last place."""
    if not isinstance(item.observed, np.ndarray) or item.observed.dtype != np.float32:
        return item
    factor = 1 + random.randint(-1, 2, item.observed.shape) * np.float64(2.0**-23)
    return replace(item, observed=(item.observed * factor).astype(np.float32))


def in_browser(page: str) -> dict[str, float]:
    """Seconds until the matrix has been painted, milliseconds that the slowest filter takes: medians of five visits."""
    from playwright.sync_api import sync_playwright

    first, filters, busy, spent = [], [], [], []
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.html"
        path.write_text(page)
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        for _ in range(5):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            session = tab.context.new_cdp_session(tab)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            tab.add_init_script(READY)
            tab.goto(f"file://{path}")
            first.append(tab.evaluate("window.painted"))
            busy.append(cpu(session))
            for text in FILTERS:
                before = cpu(session)
                filters.append(tab.evaluate(FILTER, text))
                spent.append((cpu(session) - before) * 1000)
            tab.close()
        browser.close()
    by_filter = {text or "(none)": place for place, text in enumerate(FILTERS)}
    clock, work = (
        {text: float(np.median(taken[place :: len(FILTERS)])) for text, place in by_filter.items()}
        for taken in (filters, spent)
    )
    return {
        "first view s": float(np.median(first)),
        "first view CPU s": float(np.median(busy)),
        "filter ms": max(clock.values()),
        "filter CPU ms": max(work.values()),
        **{f"  {text} ms": taken for text, taken in clock.items()},
    }


def cpu(session) -> float:
    """Seconds that the page's main thread has worked: on a busy machine the clock says more about the others."""
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    return metrics["TaskDuration"]


FILTERS = ("is:different", "status:diverges", "target:keras*", "momentum", "")
READY = """window.painted = new Promise((done) => new MutationObserver((_, watch) => {
  watch.disconnect();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() / 1000)));
}).observe(document, {attributes: true, subtree: true, attributeFilter: ["data-ready"]}))"""
FILTER = """(text) => new Promise((done) => {
  const box = document.querySelector("#query"), start = performance.now();
  box.value = text;
  box.dispatchEvent(new Event("input"));
  document.querySelector(".matrix").getBoundingClientRect();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""


def main() -> None:
    """Measure and print; exit status 1 beyond a limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=250)
    parser.add_argument("--targets", type=int, default=60)
    parser.add_argument("--runs", type=Path, default=ROOT / "reports/runs", help="folder of run files to multiply")
    parser.add_argument("--keep", type=Path, help="write the page here")
    options = parser.parse_args()
    made = made_up(options.runs, options.cases, options.targets)
    started = time.process_time()
    _ = made.behaviours
    print(f"classes of behaviour (part of the report): {time.process_time() - started:.1f} s")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, clock = time.process_time(), time.perf_counter()
    page = html(made)
    measured = {
        "seconds": time.process_time() - started,
        "memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "page MB": len(page.encode()) / 1e6,
    }
    print(
        f"the report alone takes {before / 1024:.0f} MB; by the clock the page took {time.perf_counter() - clock:.1f} s"
    )
    if options.keep:
        options.keep.write_text(page)
    if CHROMIUM.exists():
        measured |= in_browser(page)
    else:
        print(f"{CHROMIUM} is not there: first view and filter were not measured")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    for name, value in measured.items():
        limit = LIMITS.get(name)
        print(f"{name:28} {value:8.2f}" + (f"   limit {limit:g}" if limit else ""))
    if any(value > LIMITS.get(name, float("inf")) for name, value in measured.items()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
