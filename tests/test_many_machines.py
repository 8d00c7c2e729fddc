"""Shards, merged runs, pinned corpora, and runs that are the same whatever the order, the workers and the hour."""

from __future__ import annotations

import itertools
import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import CASES, DEMO, ROOT, run_faults

from conformance import cli, shards
from conformance.corpus import select
from conformance.repeat import difference
from conformance.runs import read

UNSTEADY = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("demo", {str(DEMO)!r})
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)
describe, made = demo.describe, []

class Layer(demo.Layer):
    def __init__(self, *given):
        super().__init__(*given)
        made.append(self)

    def predict(self, x, mask=None):
        return super().predict(x, mask) * (1 + 1e-7 * (len(made) % 2))
"""


def invoke(*words: object):
    """The command line in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


def lines(path: Path) -> dict:
    """The lines of a run file without the time that they took."""
    return {case_id: {**line, "seconds": 0} for case_id, line in read(path).lines()}


def run_file(folder: Path) -> Path:
    """The only run file of a report."""
    (path,) = (folder / "runs").iterdir()
    return path


def test_a_case_belongs_to_one_shard_for_ever():
    """By its id alone: other cases that come or go move none. The numbers stand here so that nobody changes them."""
    assert [3, 2, 2] == [shards.belongs(name, 3) for name in ("update/one", "update/two", "freeze/three")]
    corpus = select(ROOT / "cases", ())
    parts = [shards.Shard(index, 4).of(corpus).ids for index in range(1, 5)]
    assert sorted(corpus.ids) == sorted(itertools.chain.from_iterable(parts))
    assert all(len(corpus.ids) / 8 < len(part) < len(corpus.ids) / 2 for part in parts)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "-1/2", "1/2/3", "a/b", "1/9999999"])
def test_a_shard_that_is_none_is_bad_usage(text):
    """The form is told."""
    result = invoke("run", "numpy_demo", "--shard", text)
    assert cli.BAD_USAGE == result.exit_code
    assert "is not of the form i/n" in result.output


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> list[Path]:
    """The run files of two shards, each from a machine of its own."""
    tmp_path = tmp_path_factory.mktemp("parts")
    for shard in ("1/2", "2/2"):
        out = tmp_path / shard[0]
        assert cli.GREEN == invoke("run", "numpy_demo", "--cases", CASES, "--shard", shard, "-o", out).exit_code
    return [run_file(tmp_path / "1"), run_file(tmp_path / "2")]


def test_shards_that_are_merged_are_the_whole_run(parts, tmp_path):
    """The same lines, in the order of the ids, whichever shard was named first; and the same verdicts."""
    assert cli.GREEN == invoke("run", "numpy_demo", "--cases", CASES, "-o", tmp_path / "whole").exit_code
    whole = run_file(tmp_path / "whole")
    for given in (parts, parts[::-1]):
        merged = tmp_path / "merged.jsonl"
        assert cli.GREEN == invoke("merge", merged, *given).exit_code
        assert list(lines(whole).items()) == list(lines(merged).items())
        assert read(merged).complete
        assert read(whole).header.cases == read(merged).header.cases
        assert cli.GREEN == invoke("report", merged, "--cases", CASES, "-o", tmp_path / "report").exit_code


def changed(path: Path, to: Path, change) -> Path:
    """A copy of a run file whose header has been changed."""
    header, *rest = path.read_text().splitlines(keepends=True)
    line = json.loads(header)
    change(line)
    to.write_text(json.dumps(line) + "\n" + "".join(rest))
    return to


REFUSED = [
    (lambda line: line["provenance"].update(corpus="0" * 16), "another corpus than in"),
    (lambda line: line["provenance"].update(versions={"numpy": "1.0"}), "another versions than in"),
    (lambda line: line["provenance"].update(suite="0.0.1"), "another suite than in"),
    (lambda line: line["provenance"].update(adapter="0" * 16), "another adapter than in"),
    (lambda line: line["provenance"].update(host="0" * 16), "another host than in"),
    (lambda line: line["dialect"].update(variance="sample"), "another dialect than in"),
    (lambda line: line["target"].update(version="1.0"), "another target than in"),
    (lambda line: line["provenance"].update(shard="2/3"), "is not among these runs"),
    (lambda line: line["provenance"].update(unavailable="gone"), "could not be run there"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_does_not_belong_together_is_not_merged(parts, tmp_path, change, message):
    """Each reason by name, and nothing is written."""
    other = changed(parts[1], tmp_path / "other.jsonl", change)
    result = invoke("merge", tmp_path / "merged.jsonl", parts[0], other)
    assert cli.BAD_USAGE == result.exit_code
    assert message in result.output
    assert not (tmp_path / "merged.jsonl").exists()


def test_a_case_that_stands_twice_is_not_merged(parts, tmp_path):
    """Two machines that answered the same shard."""
    (tmp_path / "again.jsonl").write_bytes(parts[0].read_bytes())
    result = invoke("merge", tmp_path / "merged.jsonl", *parts, tmp_path / "again.jsonl")
    assert cli.BAD_USAGE == result.exit_code
    assert "is in numpy_demo-eager-numpy-" in result.output


def test_a_run_that_was_cut_off_is_not_merged(parts, tmp_path):
    """Its footer is missing."""
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"".join(parts[1].read_bytes().splitlines(keepends=True)[:-1]))
    result = invoke("merge", tmp_path / "merged.jsonl", parts[0], cut)
    assert cli.BAD_USAGE == result.exit_code
    assert "this run was cut off" in result.output


def test_a_shard_alone_is_not_a_whole(parts, tmp_path):
    """What is missing is named."""
    result = invoke("merge", tmp_path / "merged.jsonl", parts[0])
    assert "of its shards, 2/2 is not among these runs" in result.output


def test_a_run_is_the_same_whatever_the_order_and_the_workers(small_cases, tmp_path):
    """Bit for bit, case by case."""
    ids = list(small_cases.ids)
    random.Random(1).shuffle(ids)
    shuffled = replace(small_cases, ids=tuple(ids))
    seen = []
    for index, (corpus, workers) in enumerate([(small_cases, 1), (shuffled, 1), (shuffled, 4)]):
        runs = run_faults([DEMO, "variance_sample"], corpus, tmp_path / str(index), workers=workers)
        seen.append([lines(run.path) for run in runs])
    assert seen[0] == seen[1] == seen[2]
    assert ids == list(seen[2][0])


def test_repeating_finds_what_is_not_the_same_every_time(tmp_path):
    """In the last bit of one layer of many, in the terminal, in the footer and in the exit status."""
    (tmp_path / "unsteady.py").write_text(UNSTEADY)
    words = ("--cases", CASES, "--repeat", 3, "-o", tmp_path / "out")
    result = invoke("run", tmp_path / "unsteady.py", *words)
    assert cli.RED == result.exit_code
    found = read(run_file(tmp_path / "out")).end["unsteady"]
    assert "network" not in found
    for case_id, what in found.items():
        assert re.fullmatch(r"step \d+: \w+ is not the same every time", what)
        assert f"unsteady unsteady[eager] {case_id}: {what}" in result.output


def test_repeating_what_is_steady_is_green(tmp_path):
    """And the run file has each case once, the same as without."""
    for times in (1, 3):
        words = ("--cases", CASES, "--repeat", times, "-o", tmp_path / str(times))
        assert cli.GREEN == invoke("run", "numpy_demo", *words).exit_code
    assert lines(run_file(tmp_path / "1")) == lines(run_file(tmp_path / "3"))
    assert 3 == read(run_file(tmp_path / "3")).header.provenance["repeat"]


ONE = b'{"id": "a", "seconds": 1, "steps": [{"quantities": {"x": ["float32", [1], "AAAAAA=="]}}]}'
NOT_THE_SAME = [
    (ONE.replace(b"AAAAAA", b"AAAAgA"), "step 1: x is not the same every time"),  # -0.0, which equals 0.0
    (ONE.replace(b'"x"', b'"y"'), "step 1: x is not the same every time"),
    (ONE.replace(b'[{"q', b'[{"raised": ["E", ""], "q'), "step 1 does not end in the same way every time"),
    (b'{"id": "a", "crashed": "gone"}', "the case does not end in the same way every time"),
]


@pytest.mark.parametrize(("other", "what"), NOT_THE_SAME)
def test_what_is_not_the_same_is_named(other, what):
    """The sign of a zero, a name, an exception, an end."""
    assert what == difference(ONE, other)
    assert "" == difference(ONE, ONE.replace(b'"seconds": 1', b'"seconds": 2'))


CASE = """\
title: A claim
layer: {features: 1, momentum: 0.9, epsilon: 0.001}
data: {batch: [[1], [5]]}
steps: [train: batch]
"""


@pytest.fixture
def cases(tmp_path) -> Path:
    """A folder of three cases, pinned as 2026.11."""
    folder = tmp_path / "cases"
    folder.mkdir()
    for name in ("stays", "changes", "moves", "goes"):
        (folder / f"{name}.yaml").write_text(CASE)
    assert "2026.11.txt: 4 cases" in invoke("corpus", "--cases", folder, "--freeze", "2026.11").output
    return folder


def test_a_pinned_corpus_judges_no_new_case_and_lists_it(cases, tmp_path):
    """What is new, changed, moved and gone; and the exit status is that of the cases that were pinned."""
    (cases / "new.yaml").write_text(CASE.replace("title", "formerly: [elsewhere]\ntitle"))
    (cases / "changes.yaml").write_text(CASE.replace("0.9", "0.8"))
    (cases / "stays.yaml").write_text(CASE.replace("A claim", "A claim, said better"))
    (cases / "moves.yaml").unlink()
    (cases / "moved.yaml").write_text(CASE + "formerly: [moves]\n")
    (cases / "goes.yaml").unlink()
    words = ("run", "numpy_demo", "--cases", cases, "-o", tmp_path / "out")
    result = invoke(*words, "--corpus", "2026.11")
    assert cli.GREEN == result.exit_code
    for said in ("1 new since then, not judged: new", "1 changed since then: changes", "1 gone: goes"):
        assert f"corpus 2026.11: {said}" in result.output
    header = read(run_file(tmp_path / "out")).header
    assert ["changes", "moved", "stays"] == sorted(header.cases)
    assert "2026.11" == header.provenance["pinned"]
    listed = invoke("corpus", "--cases", cases).output
    assert "2026.11" in listed
    assert "3 cases; 1 new since then, 1 changed, 1 gone" in listed


def test_a_corpus_is_pinned_once(cases):
    """And its name is one, not a path."""
    assert cli.BAD_USAGE == invoke("corpus", "--cases", cases, "--freeze", "2026.11").exit_code
    for name in ("../2026.11", "/tmp/x", "", "a b"):
        result = invoke("run", "numpy_demo", "--cases", cases, "--corpus", name)
        assert cli.BAD_USAGE == result.exit_code
        assert "is no name of a corpus" in result.output
    result = invoke("run", "numpy_demo", "--cases", cases, "--corpus", "2027.1")
    assert "there is no such corpus; pinned here: 2026.11" in result.output
    (cases / "corpora/2027.1.txt").write_text("stays\n")
    result = invoke("run", "numpy_demo", "--cases", cases, "--corpus", "2027.1")
    assert "2027.1.txt:1:1: a line is a digest, a space and an id" in result.output
