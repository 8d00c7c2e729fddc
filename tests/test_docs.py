"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from conformance import host, known, report
from conformance.corpus import select
from conformance.dialect import KNOBS
from conformance.judge import VERDICTS
from conformance.places import adapters, cases
from conformance.render import history, json_
from conformance.render.data import unpacked
from conformance.render.html import html
from conformance.runs import read
from conformance.steps import STEPS
from conformance.timeline import timeline

ROOT = Path(__file__).parent.parent
FRAMEWORKS = r"\b(torch|tensorflow|keras|tf|jax|flax|haiku|equinox|onnx|onnxruntime|paddle|mxnet|chainer|mlx)\b"


def test_dialects_lists_every_knob_with_its_values_in_order():
    """The table of docs/dialects.md is the dialect, the standard first."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", (ROOT / "docs/dialects.md").read_text(), re.MULTILINE)
    assert KNOBS == {knob: tuple(re.findall(r"`(\w+)`", values)) for knob, values in rows}


def test_reading_a_report_lists_every_verdict():
    """The legend has no word that the reader cannot look up."""
    rows = re.findall(r"^\| ([a-z, ]+) \| [a-zA-Z]", (ROOT / "docs/reading-a-report.md").read_text(), re.MULTILINE)
    listed = {word for row in rows for word in row.split(", ")} - {"verdict"}
    assert set(VERDICTS) - {"unavailable"} == listed


def test_adapters_lists_every_verb_and_argument():
    """What the host may call, and with what."""
    text = (ROOT / "docs/adapters.md").read_text()
    table = re.findall(r"^\| (`\w+\(.*?)\| ", text, re.MULTILINE)
    assert set(STEPS) | {"__init__", "state"} == {verb for row in table for verb in re.findall(r"`(\w+)\(", row)}
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    assert [] == [name for name in (*host.SCALARS, *host.ARRAYS) if not re.search(rf"\b{name}\b", rows)]


def test_readme_is_short():
    """Somebody reads it."""
    assert len((ROOT / "README.md").read_text().splitlines()) < 100


def test_no_framework_is_named_inside_the_package():
    """Conventions are values."""
    found = [
        f"{path.name}:{number}"
        for path in sorted((ROOT / "conformance").rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(FRAMEWORKS, line)
    ]
    assert [] == found


def test_the_report_is_the_rendering_of_the_run_files():
    """The page that lies in the repository comes from the run files beside it, and from nothing else."""
    paths = report.run_files(ROOT / "reports/runs")
    assert paths
    made = report.build(select(cases(), ()), paths, known.load(adapters() / "known.yaml"))
    assert content((ROOT / "reports/index.html").read_text()) == content(html(made))


def content(page):
    """A page without the plotting library, which is whichever is installed, and with its data unpacked."""
    data = unpacked(re.search(r'id="data">([^<]*)<', page)[1])
    return re.sub(r'(id="(?:library|data)">)[^<]*|http-equiv="Content-Security-Policy"[^>]*', r"\1", page), data


def test_the_schemas_are_those_of_the_code():
    """What other programs read is what is written."""
    for name in ("report", "comparison"):
        assert json_.schema(name) == (ROOT / f"docs/schemas/{name}.json").read_text()


def test_the_history_has_the_timeline_of_the_run_files():
    """The table of docs/history.md is what `conformance timeline` prints; paste that when run files have come."""
    _, _, pasted = (ROOT / "docs/history.md").read_text().partition("<!-- timeline -->\n")
    printed = history.changes(timeline(select(cases(), ()), map(read, report.run_files(ROOT / "reports/runs"))))
    assert "\n".join(printed).strip() == pasted.strip()
