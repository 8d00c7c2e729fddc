"""Classes of behaviour, comparisons of two sets of runs, and their renderings for other programs."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

import reports
from conformance import inferred, report, wire
from conformance.behaviour import letter
from conformance.cli import main
from conformance.compare import compare
from conformance.corpus import select
from conformance.dialect import STANDARD
from conformance.known import Entry
from conformance.reference import trace
from conformance.render import html, json_, junit, markdown, terminal
from conformance.runs import read
from reports import FUNCTIONAL, HOSTILE, LAYER, LONG, TORCH, made, seen

CASE = made("update/variance")  # trained on [1, 5] from a variance of 4: 4 is left where it is ÷n, 6 where it is ÷(n-1)
SAMPLE = STANDARD.under({"variance": "sample"})
RED = seen(CASE, gamma=wire.encode(np.float32([7])))


@pytest.fixture
def report_of(tmp_path):
    """A function: cases and runs -> report, each in a folder of its own."""
    numbers = iter(range(100))

    def build(*given, **options):
        folder = tmp_path / f"report{next(numbers)}"
        folder.mkdir()
        return reports.report_of(folder, *given, **options)

    return build


def kinds(before, after):
    """The kinds of what changed, in order."""
    return [change.kind for change in compare(before, after).changes]


def test_targets_that_differ_in_rounding_behave_alike(report_of):
    """One unit in the last place makes no class of its own; the largest class is A."""
    output = np.float32(trace(CASE, STANDARD)[-1].quantities["output"].expected)
    rounded = seen(CASE, output=wire.encode(np.nextafter(output, np.float32(9))))
    ran = [(TORCH, [RED]), (LAYER, [seen(CASE)]), (FUNCTIONAL, [rounded])]
    classes = report_of([CASE], *ran).behaviours[CASE.id]
    assert [("A", (1, 2)), ("B", (0,))] == [(one.letter, one.members) for one in classes]


def test_the_convention_that_tells_classes_apart_is_named(report_of):
    """Of two conventions that targets declare differently only the one that shows in the case is given."""
    declared = {"variance": "sample", "bare_call": "trains"}
    ran = [(LAYER, [seen(CASE)]), (FUNCTIONAL, [seen(CASE)]), (TORCH, [seen(CASE, SAMPLE)], declared)]
    assert [(), ("variance",)] == [one.knobs for one in report_of([CASE], *ran).behaviours[CASE.id]]


def test_a_target_that_does_what_another_promises_is_in_its_class(report_of):
    """Classes follow what is observed, not what is declared."""
    ran = [(LAYER, [seen(CASE, SAMPLE)]), (TORCH, [seen(CASE, SAMPLE)], {"variance": "sample"})]
    made_report = report_of([CASE], *ran)
    assert ["diverges", "conforms"] == [column.results[CASE.id].verdict for column in made_report.columns]
    assert [(0, 1)] == [one.members for one in made_report.behaviours[CASE.id]]


def test_types_and_errors_make_classes(report_of):
    """The same numbers in another type, or an error in another step, are another behaviour; no answer is none."""
    typed = seen(CASE, gamma=wire.encode(np.float64([1])))
    raised = {"id": CASE.id, "steps": [{"quantities": {}, "raised": ["ValueError", "no"]}]}
    targets = [replace(TORCH, mode=str(number)) for number in range(4)]
    lines = [seen(CASE), typed, raised, {"id": CASE.id, "crashed": "signal 11"}]
    classes = report_of([CASE], *((target, [line]) for target, line in zip(targets, lines, strict=True)))
    assert [(0,), (1,), (2,)] == [one.members for one in classes.behaviours[CASE.id]]


def test_a_text_in_place_of_an_array_is_another_behaviour(report_of):
    """An array without elements, where another target has words, is not compared with them."""
    texts = [seen(CASE, gamma=gamma) for gamma in ("a text", wire.encode(np.zeros((0,), np.float32)))]
    classes = report_of([CASE], (TORCH, texts[:1]), (LAYER, texts[1:])).behaviours[CASE.id]
    assert [(0,), (1,)] == [one.members for one in classes]


@pytest.mark.parametrize(("number", "expected"), [(0, "A"), (25, "Z"), (26, "AA"), (53, "BB")])
def test_letters_do_not_end(number, expected):
    """There may be more classes than letters."""
    assert expected == letter(number)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (seen(CASE), seen(CASE), "same"),
        (seen(CASE), RED, "regressed"),
        (RED, seen(CASE), "fixed"),
        (RED, seen(CASE, gamma=wire.encode(np.float32([8]))), "changed"),
        ({"id": CASE.id, "unsupported": "no"}, seen(CASE), "changed"),
        ({"id": CASE.id, "unsupported": "no"}, {"id": CASE.id, "unsupported": "still not"}, "same"),
    ],
)
def test_a_change_has_a_kind(report_of, before, after, expected):
    """Green to red, red to green, another value, nothing."""
    assert [expected] == kinds(report_of([CASE], (TORCH, [before])), report_of([CASE], (TORCH, [after])))


def test_what_was_not_run_on_one_side_is_new_or_removed(report_of):
    """Cases and whole targets that come or go are neither fixed nor regressed."""
    other = made("update/other")
    before = report_of([CASE, other], (TORCH, [seen(CASE)]), (LAYER, [seen(CASE)]))
    after = report_of([CASE, other], (TORCH, [seen(other)]), (FUNCTIONAL, [seen(CASE)]))
    assert ["new", "removed", "removed", "new"] == kinds(before, after)


def test_another_version_is_held_against_the_one_before(report_of):
    """Targets of one adapter and mode are a pair, whatever their versions; a pair of the same version goes first."""
    newer = replace(TORCH, version="2.14.0")
    comparison = compare(report_of([CASE], (TORCH, [seen(CASE)])), report_of([CASE], (newer, [RED])))
    assert [(TORCH, newer)] == comparison.pairs
    assert not comparison.green
    both = report_of([CASE], (newer, [RED]), (TORCH, [seen(CASE)]))
    assert [(TORCH, TORCH), (None, newer)] == compare(report_of([CASE], (TORCH, [seen(CASE)])), both).pairs


def test_conventions_that_are_declared_otherwise_are_named(report_of):
    """Of a pair what its later target declares otherwise; nothing of a target that has no other."""
    before = report_of([CASE], (TORCH, [seen(CASE)]), (LAYER, [seen(CASE)]))
    after = report_of([CASE], (TORCH, [seen(CASE, SAMPLE)], {"variance": "sample"}), (FUNCTIONAL, [seen(CASE)]))
    assert [{"variance": ("population", "sample")}, {}, {}] == compare(before, after).declared


@pytest.fixture
def files(tmp_path):
    """Two folders of run files, the second with a regression, and the folder of their case."""
    folder = tmp_path / "cases" / "update"
    folder.mkdir(parents=True)
    (folder / "variance.yaml").write_text(json.dumps(reports.PLAIN))
    for name, line in (("before", seen(CASE)), ("after", RED)):
        (tmp_path / name / "runs").mkdir(parents=True)
        digest = reports.load.load(folder / "variance.yaml", tmp_path / "cases").digest
        reports.report_of(tmp_path / name / "runs", [replace(CASE, digest=digest)], (TORCH, [line]))
    return tmp_path


def run(files, *arguments):
    """`conformance compare` on them."""
    return CliRunner().invoke(main, ["compare", *arguments, "--cases", str(files / "cases")])


def test_a_regression_is_exit_status_1(files):
    """The command says what regressed, from which verdict to which; the other way round is no regression."""
    before, after = str(files / "before"), str(files / "after")
    ended = run(files, before, after)
    assert 1 == ended.exit_code
    assert "regressed  torch_nn[module] update/variance: conforms -> diverges; step 2: gamma is 7" in ended.output
    assert "1 regressed, 0 fixed, 0 changed, 0 new, 0 removed, 0 same" in ended.output
    assert 0 == run(files, after, before).exit_code
    assert 2 == run(files, str(files / "cases"), after).exit_code


def test_a_comparison_is_written_where_it_is_wanted(files):
    """A single run file will do, and the output may be a file."""
    (before,), (after,) = ((files / name / "runs").glob("*.jsonl") for name in ("before", "after"))
    ended = run(files, str(before), str(after), "--format", "json", "-o", str(files / "out.json"))
    assert (1, "") == (ended.exit_code, ended.output)
    assert "regressed" == json.loads((files / "out.json").read_text())["changes"][0]["kind"]


def test_what_is_inferred_is_kept_as_long_as_it_is_about_the_same(files):
    """`infer --write` keeps it beside the run, the report takes it, and neither another run nor another case."""
    runs, cases = files / "before" / "runs", ["--cases", str(files / "cases")]
    ended = CliRunner().invoke(main, ["infer", "torch_nn", "--runs", str(runs), "--write", *cases])
    assert 0 == ended.exit_code, ended.output
    corpus, (file,) = select(files / "cases", ()), runs.glob("*.jsonl")
    found = report.column(corpus, read(file), []).inferred
    assert (1, ["population"], 1) == (found.cases, list(found.left["variance"]), found.proofs["variance"].count)
    other = reports.Cases({"update/variance": replace(corpus.case("update/variance"), digest="another")})
    assert report.column(other, read(file), []).inferred is None
    file.write_bytes(file.read_bytes().replace(b'"framework"', b'"framework" '))
    assert report.column(corpus, read(file), []).inferred is None
    file.rename(runs / "renamed.jsonl")
    inferred.save(runs, {})
    assert {} == inferred.load(runs)


def test_what_somebody_else_wrote_is_no_inference(files):
    """A file of that name that says something else is bad input, and is named."""
    runs = files / "before" / "runs"
    (runs / "inferred.json").write_text('{"x": 1}')
    ended = CliRunner().invoke(main, ["report", str(runs), "--cases", str(files / "cases"), "-o", str(files / "out")])
    assert 2 == ended.exit_code
    assert "inferred.json:1:1: this is not what `infer --write` writes" in ended.output


def test_a_comparison_can_be_a_page(files):
    """Of `compare`, or of `report` with a baseline: the same."""
    paths, cases = [str(files / name) for name in ("before", "after")], ["--cases", str(files / "cases")]
    assert 1 == run(files, *paths, "--format", "html", "-o", str(files / "page.html")).exit_code
    runs, folder = str(files / "after" / "runs"), str(files / "rendered")
    ended = CliRunner().invoke(main, ["report", runs, *cases, "--baseline", paths[0], "-o", folder])
    assert 1 == ended.exit_code
    pages = [(files / name).read_text("utf-8") for name in ("page.html", "rendered/index.html")]
    assert pages[0] == pages[1]
    assert "regressed: 1, fixed: 0, changed: 0" in pages[0]


def test_a_page_of_changes_obeys_nothing_that_others_word(report_of):
    """Exceptions and reasons are text in the plain tables, and packed for the script."""
    before, after = hostile(report_of)
    page = html.html(after, compare(before, after))
    assert "&lt;img src=x" in page
    assert "<img" not in page


def hostile(report_of):
    """A report in which what adapters and frameworks word means harm, and one without it."""
    lines = [{"id": CASE.id, "steps": [{"quantities": {}, "raised": [HOSTILE + "|`\n", LONG]}]}]
    known = Entry(target="keras*", case="*", reason=HOSTILE)
    before = report_of([CASE], (TORCH, [seen(CASE)]), (LAYER, [RED]), excuses=[known])
    return before, report_of([CASE], (TORCH, lines), (LAYER, [seen(CASE)]), excuses=[known])


def test_json_is_what_its_schema_says(report_of):
    """Reports and comparisons, hostile texts and numbers that are not finite included."""
    before, after = hostile(report_of)
    nan = report_of([CASE], (TORCH, [seen(CASE, gamma=wire.encode(np.float32([np.nan])))]))
    for name, text in (
        ("report", json_.report(after)),
        ("report", json_.report(nan)),
        ("comparison", json_.comparison(compare(before, after))),
    ):
        jsonschema.validate(json.loads(text), json.loads(json_.schema(name)))
    first = json.loads(json_.report(nan))["targets"][0]["results"][0]["first"]
    assert (2, "gamma", 1.0, None, None) == tuple(
        first[key] for key in ("step", "quantity", "expected", "observed", "error")
    )


def test_junit_has_a_test_for_every_case_of_every_target(report_of):
    """Red ones fail, what is known is skipped, and whatever is said is XML."""
    before, after = hostile(report_of)
    (torch, keras) = ET.fromstring(junit.report(before))
    assert ("1", "0", "0") == tuple(torch.attrib[key] for key in ("tests", "failures", "skipped"))
    assert keras[0][0].attrib["message"].startswith("known: ")
    torch = ET.fromstring(junit.report(after))[0]
    assert ("1", "1") == (torch.attrib["tests"], torch.attrib["failures"])
    assert "<script>" in torch[0][0].attrib["message"]
    assert "1" == ET.fromstring(junit.comparison(compare(before, after)))[0].attrib["failures"]


def test_a_run_that_was_cut_off_fails_in_junit(report_of):
    """Nobody takes half a run for a whole one."""
    cut = report_of([CASE], (TORCH, [seen(CASE)]), cut_off=True)
    assert "the run was cut off" == ET.fromstring(junit.report(cut))[0][1][0].attrib["message"]


def test_markdown_means_nothing_by_what_others_word(report_of):
    """No markup, no cell and no line comes from an exception; long texts are cut."""
    before, after = hostile(report_of)
    for text in (markdown.report(after), markdown.comparison(compare(before, after))):
        rows = [line for line in text.splitlines() if "script" in line]
        assert 1 <= len(rows)
        assert "<" not in text
        assert all(len(row) < 2000 for row in rows)
        assert all(row.count(" | ") == rows[0].count(" | ") for row in rows)
    assert "### Regressed: was green, and is red" in markdown.comparison(compare(before, after))


def test_what_regressed_comes_first(report_of):
    """On the terminal a line for each change, in the order in which they matter."""
    before, after = hostile(report_of)
    lines = terminal.comparison(compare(before, after)).splitlines()
    assert ["regressed", "regressed", "2"] == [line.split()[0] for line in lines]
