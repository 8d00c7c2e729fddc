"""What a script of `repro` would say of the numbers that were seen is what the judge says, without any framework."""

from __future__ import annotations

import ast
import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from check_scripts import differing

from conformance.corpus import select
from conformance.dialect import STANDARD
from conformance.judge import Result, judge
from conformance.places import adapters, cases
from conformance.reference import trace
from conformance.repro import NoScript, script, wanted
from conformance.reproduce import performed
from conformance.runs import read
from conformance.wire import decode

RUNS = Path(__file__).parent.parent / "reports" / "runs"
TEMPLATES = sorted(path.name.removesuffix(".py.j2") for path in (adapters() / "repro").glob("*.py.j2"))
EVERY = 3  # of the cases that conform


def said_of(text: str, steps: list[dict[str, Any]]) -> int:
    """The first step that the `show` of a script finds to differ in what was seen."""
    names: dict[str, Any] = {"np": np, "nan": np.nan, "inf": np.inf}
    tree = ast.parse(text)
    shown = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "show"]
    exec(compile(ast.Module(shown, []), "show", "exec"), names)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "show":
                given = [node.args[0], node.args[1], *node.args[3:]]  # and not what the framework would show
                title, expected, *rest = (eval(ast.unparse(each), names) for each in given)
                sent = steps[int(title.split()[0]) - 1]["quantities"]
                seen = {name: decode(array) for name, array in sent.items() if not isinstance(array, str)}
                names["show"](title, expected, seen, *rest)
    return differing(said.getvalue())


def first(result: Result) -> int:
    """The step in which a result departs first; 0 where it does not."""
    return result.first.step + 1 if result.first else 0


def compare(path: Path) -> int:
    """How many scripts of a run say what the judge says; an AssertionError names one that does not."""
    run, compared = read(path), 0
    corpus, dialect = select(cases(), ()), STANDARD.under(run.header.dialect)
    for case_id, line in run.lines():
        case = corpus.case(case_id)
        result = judge(case, line, dialect)
        if result.verdict == "diverges" or (result.verdict == "conforms" and len(case_id) % EVERY == 0):
            case, steps = performed(case, line)
            shows = wanted(trace(case, dialect))
            if any("raised" in step for step in steps) or any(each.raises for each in shows):
                continue  # what a script says then comes of the framework's doing it again
            shows = [each.beside(step) for each, step in zip(shows, result.steps, strict=True)]
            with contextlib.suppress(NoScript):
                text = script(case, run.header.target, steps, shows)
                assert first(result) == said_of(text, steps), case_id
                compared += 1
    return compared


@pytest.mark.parametrize("adapter", TEMPLATES)
def test_a_script_says_of_the_numbers_what_the_judge_says(adapter: str) -> None:
    """In the largest run of an adapter of which there are scripts."""
    sizes = {path: path.stat().st_size for path in RUNS.glob(f"{adapter}-*.jsonl")}
    assert any(map(compare, sorted(sizes, key=sizes.__getitem__, reverse=True)))
