"""The timeline: what changed between versions that were run, and which convention accounts for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import CASES
from test_cli import invoke

from conformance.adapters import Adapter
from conformance.corpus import Corpus
from conformance.process import Interpreter
from conformance.render import history
from conformance.run import Job, Watch, run
from conformance.runs import read
from conformance.timeline import numbers, timeline, turns, values

ADAPTER = """
import sys
sys.path.insert(0, %r)
import %s as kind
Layer = kind.Layer
def describe():
    said = kind.describe()
    return dict(said, version=%r, dialect=dict(said["dialect"], **%r))
"""
SAMPLE = {"variance": "sample"}


@pytest.fixture(scope="module")
def corpus(small_cases) -> Corpus:
    return small_cases


@pytest.fixture
def ran(tmp_path, corpus):
    """Runs one adapter of several versions: (version, fault that it has, what it declares besides)."""

    def make(*versions):
        for number, (version, fault, declared) in enumerate(versions):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "api.py").write_text(ADAPTER % (str(CASES.parent), fault, version, declared))
            job = Job([Adapter(folder / "api.py")], (), corpus, Interpreter(), tmp_path / "runs", workers=1)
            assert all(not outcome.reason for outcome in run(job, Watch()))
        return timeline(corpus, [read(path) for path in sorted((tmp_path / "runs").glob("*.jsonl"))])

    return make


def shown(series, change):
    """Knobs that changed and the number of other shifts."""
    found = series.changes[change]
    return [turn[:3] for turn in turns(found)], sorted(one.case for one in found.shifts if not one.knobs)


def test_versions_are_in_the_order_of_their_numbers(ran):
    """10 comes after 9.5, and nothing has changed."""
    (series,) = ran(("10.0", "base", {}), ("2.0", "base", {}), ("9.5", "base", {}))
    assert ["2.0", "9.5", "10.0"] == [point.version for point in series.points]
    assert [(), ()] == [change.shifts for change in series.changes]
    assert "No change seen." in "\n".join(history.changes([series]))


def test_a_change_that_is_declared_is_told_by_its_knob(ran):
    """Between the two versions that were run, and nowhere else."""
    (series,) = ran(("1", "base", {}), ("2", "base", {}), ("3", "variance_sample", SAMPLE))
    assert ([], []) == shown(series, 0)
    assert ([("variance", "population", "sample")], []) == shown(series, 1)
    assert "| 2 and 3 | `variance` | population | sample |" in "\n".join(history.changes([series]))


def test_a_change_that_is_not_declared_is_told_by_the_knob_that_reproduces_it(ran):
    """What is declared is a hypothesis; the observations decide."""
    (series,) = ran(("1", "base", {}), ("2", "variance_sample", {}))
    assert ([("variance", "population", "sample")], []) == shown(series, 0)


def test_a_change_that_is_declared_only_is_none(ran):
    """The second version says sample and does what the first did."""
    (series,) = ran(("1", "base", {}), ("2", "base", SAMPLE))
    assert () == series.changes[0].shifts


def test_a_change_that_no_convention_accounts_for_is_told_by_its_cases(ran):
    """Momentum the wrong way round is nobody's convention."""
    (series,) = ran(("1", "base", {}), ("2", "momentum_reversed", {}))
    knobs, cases = shown(series, 0)
    assert [] == knobs
    assert "train" in cases
    assert "| 1 and 2 | no convention | conforms | diverges |" in "\n".join(history.changes([series]))


def test_what_was_unsupported_and_no_longer_is(ran):
    """Another verdict is a change, too, when there are no numbers."""
    (series,) = ran(("1", "unsupported", {}), ("2", "base", {}))
    assert ("unsupported", "conforms") in {(one.was, one.now) for one in series.changes[0].shifts}


def test_values_of_a_knob_are_proved_by_cases(ran, corpus):
    """Whatever is declared."""
    (series,) = ran(("1", "base", SAMPLE), ("2", "variance_sample", {}))
    proved = [values(corpus, point, "variance") for point in series.points]
    assert [["population"], ["sample"]] == [list(told) for told in proved]
    assert "train" in proved[0]["population"]
    assert "| 2 | sample (" in "\n".join(history.knob(corpus, [series], "variance"))


def test_one_version_is_no_series(ran):
    """There is nothing to compare."""
    assert [] == ran(("1", "base", {}))


def test_a_case_that_has_changed_is_left_out(ran, tmp_path, corpus):
    """What was observed then is not what the case says now."""
    ran(("1", "base", {}), ("2", "momentum_reversed", {}))
    older, newer = (read(path) for path in sorted((tmp_path / "runs").glob("*.jsonl")))
    stale = replace(newer, header=replace(newer.header, cases={**newer.header.cases, "train": "another"}))
    for second, seen in (newer, True), (stale, False):
        (series,) = timeline(corpus, [older, second])
        assert seen == ("train" in {one.case for one in series.changes[0].shifts})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("one 1.15.5", ["1.15.5"]),
        ("one 1.31.1, two 2026.4", ["1.31.1", "2026.4"]),
        ("v2 2.2.4-tf", ["2.2.4-tf"]),
    ],
)
def test_versions_in_a_text(text, found):
    """Words that begin with a digit."""
    assert found == numbers(text)


def test_no_series_is_bad_usage(tmp_path):
    """A folder without two versions of anything."""
    result = invoke("timeline", "--runs", tmp_path)
    assert 2 == result.exit_code
    assert "no two versions" in result.output
