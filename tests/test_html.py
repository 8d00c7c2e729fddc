"""The page: what cases, adapters and frameworks say is text in it, every link leads somewhere, nothing else loads."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest

import reports
from conformance import load, repro, runs, wire
from conformance.dialect import STANDARD
from conformance.judge import VERDICTS, Compared, Divergence, Result
from conformance.known import Entry
from conformance.reference import trace
from conformance.render import changes, html
from conformance.render.data import unpacked
from conformance.render.table import Row, Stage, table
from conformance.render.view import named, settings
from conformance.render.words import GLYPHS, amount, numbers, times, why
from conformance.strict_yaml import parse
from reports import FUNCTIONAL, HOSTILE, LAYER, LONG, OVERRIDE, PLAIN, PROVENANCE, SHOWN, TORCH, made, seen

VOID = {"meta", "br", "input", "wbr", "col"}


@dataclass
class Page(HTMLParser):
    """What is on a page: its tags, its attributes, its ids, its links, its text; it refuses tags that do not match."""

    source: str
    tags: set[str] = field(default_factory=set)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self):
        super().__init__()
        self.opened: list[str] = []
        self.feed(self.source)
        self.close()
        assert [] == self.opened

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag):
        assert tag == self.opened.pop()

    def handle_data(self, data):
        self.text += "" if self.opened[-1:] in (["style"], ["script"]) else data

    @property
    def data(self):
        """What the page's script makes its views of."""
        return self.packed("data")

    def packed(self, name):
        """What is packed under an id."""
        return unpacked(re.search(rf'id="{name}">([^<]*)<', self.source)[1])

    @property
    def everything(self):
        """All texts, those of the views too."""
        return "\n".join([self.text, *strings(self.data), *strings(self.packed("tables"))])

    def all(self, name, tag=None):
        """The values of an attribute, on one kind of tag or on all."""
        return [value for where, what, value in self.attributes if what == name and tag in (None, where)]


@pytest.fixture
def report_of(tmp_path):
    """A function: cases, and (target, lines) for each run -> report."""
    return partial(reports.report_of, tmp_path)


def strings(value):
    """The texts in a JSON value, one after the other."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in inside for text in strings(item)]


def cells(page):
    """What the matrix says: the words of each cell of each case."""
    rows = re.findall(r'<tr><th scope="row">(?:(?!</tr>).)*class="title".*?</tr>', page, re.DOTALL)
    return [words(cell) for row in rows for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]


def words(markup):
    """A piece of a page without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


CASE = made("freeze/some_case")


def test_tags_match_ids_are_unique_and_links_lead_to_them(report_of):
    """A page is well-formed, no two elements have the same id, and every link inside it has its target."""
    other = made("freeze/other", steps=[{"save": "first"}, {"restore": "first", "into": "fresh"}])
    made_up = {"id": other.id, "unsupported": "no checkpoints"}
    page = Page(html.html(report_of([CASE, other], (TORCH, [seen(CASE), made_up]), (LAYER, [seen(CASE, gamma=None)]))))
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.all("href")} <= {*ids, "timeline"}


@pytest.mark.parametrize("name", ["title", "question", "answer", "effect"])
def test_a_case_is_text(report_of, name):
    """Markup in a case's texts is shown, not obeyed, and cannot turn the direction of what follows."""
    benign, hostile = (made("a/b", **{name: text}) for text in ("a text", HOSTILE))
    expected, page = (Page(html.html(report_of([case], (TORCH, [seen(case)])))) for case in (benign, hostile))
    assert expected.tags == page.tags
    assert {entry[:2] for entry in expected.attributes} == {entry[:2] for entry in page.attributes}
    assert SHOWN in page.everything
    assert OVERRIDE not in page.source + page.everything


def hostile_results():
    """Results in which everything that an adapter or a framework can word is hostile."""
    first = Divergence(0, HOSTILE, HOSTILE)
    steps = ((Compared(HOSTILE, None, HOSTILE, float("inf"), first),),)
    yield Result("a/b", "diverges", "", first, first, float("inf"), HOSTILE, steps, {0: HOSTILE})
    yield from (Result("a/b", verdict, HOSTILE) for verdict in ("unsupported", "errored", "crashed", "known", "healed"))


@pytest.mark.parametrize("result", list(hostile_results()), ids=lambda result: result.verdict)
def test_an_adapter_is_text(report_of, result):
    """Markup in names, exceptions, reasons, versions and provenance of a run is shown, not obeyed."""
    target = runs.Target(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    provenance = dict.fromkeys(PROVENANCE, HOSTILE) | {"versions": {HOSTILE: HOSTILE}, "command": [HOSTILE]}
    case = made("a/b")
    made_report = report_of([case], (target, [seen(case)]), provenance=provenance)
    column = replace(made_report.columns[0], results={"a/b": result})
    page = Page(html.html(replace(made_report, columns=[column])))
    assert ["octet"] * 3 == [kind.split("/")[1].split("-")[0] for kind in page.all("type", "script")]
    assert "img" not in page.tags
    assert [] == [name for _, name, _ in page.attributes if name.startswith("on") or name == "src"]
    assert SHOWN in page.everything
    assert OVERRIDE not in page.source + page.everything


def test_long_texts_are_cut_and_it_is_said(report_of):
    """A text of 100 kB costs a page two kB, and the page says that more was there."""
    steps = [{"quantities": {}, "raised": ["ValueError", LONG]}]
    page = Page(html.html(report_of([CASE], (TORCH, [{"id": CASE.id, "steps": steps}]))))
    assert "(cut: 98,026 more characters)" in page.everything
    assert max(map(len, strings(page.data))) < 2100


def test_what_utf_8_cannot_hold_is_replaced(report_of, tmp_path):
    """A lone surrogate or a control code in a run file does not keep the page from being written."""
    line, page = {"id": CASE.id, "crashed": "a\ud800b\x00c\x1b[31md"}, tmp_path / "folder" / "page.html"
    html.write_page(report_of([CASE], (TORCH, [line])), page)
    assert "a\ufffdb\ufffdc\ufffd[31md" in Page(page.read_text("utf-8")).everything


def test_anchors_are_for_ever(report_of):
    """A case, a target, and the names that a case had are found under ids that follow from names alone."""
    case = made("freeze/some_case", formerly=["old/name"])
    ids = Page(html.html(report_of([case], (TORCH, [seen(case)])))).all("id")
    target = "torch_nn-module-torch-2.13.0+cpu"
    expected = {"case/freeze/some_case", "case/old/name", f"target/{target}"}
    assert expected == {name for name in ids if "/" in name}


def test_an_old_name_that_is_taken_is_no_anchor(report_of):
    """Where another case has got the name that a case had, the link leads to the other one."""
    ids = Page(html.html(report_of([made("a/new", formerly=["a/old"]), made("a/old")]))).all("id")
    assert 1 == ids.count("case/a/old")


def test_an_odd_name_is_an_odd_anchor(report_of):
    """Spaces and quotes in a file's name are written as links write them."""
    page = Page(html.html(report_of([made('odd/a "b" <c>')])))
    assert "case/odd/a%20%22b%22%20%3Cc%3E" in page.all("id")


def test_two_runs_of_one_target_are_told_apart(report_of):
    """The second of two runs of the same target has a number in its anchors."""
    ids = Page(html.html(report_of([CASE], (TORCH, [seen(CASE)]), (TORCH, [seen(CASE)])))).all("id")
    assert "target/torch_nn-module-torch-2.13.0+cpu~2" in ids


def test_modes_of_an_adapter_stand_together(report_of):
    """Columns are grouped by adapter and environment, in the order of the first of each."""
    ran = [(target, [seen(CASE)]) for target in (LAYER, TORCH, FUNCTIONAL)]
    heads = named(report_of([CASE], *ran).columns)
    assert ["layer", "functional", "module"] == [head.mode for head in heads]


def test_the_same_report_gives_the_same_bytes(report_of, tmp_path):
    """A page depends on the report alone: not on the clock, not on what was rendered before."""
    made_report = report_of([CASE], (TORCH, [seen(CASE, gamma=None)]), (LAYER, [seen(CASE)]))
    html.write_page(made_report, tmp_path / "one.html")
    html.template.cache_clear()
    html.write_page(made_report, tmp_path / "two.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_what_was_not_run_is_blank(report_of):
    """A case that a target was not given has no word and no verdict's colour; the legend says what blank means."""
    other = made("freeze/other")
    page = html.html(report_of([CASE, other], (TORCH, [seen(CASE)]), (LAYER, [seen(other)])))
    assert ["✓ conforms A 0", "", "", "✓ conforms A 0"] == cells(page)
    assert 2 == page.count("<td></td></tr>") + page.count("<td></td><td class")
    assert "blank: not run" in Page(page).text


def test_a_run_that_was_cut_off_says_so(report_of):
    """Without a footer the summary says how far the run came; cases without an observation are missing."""
    other = made("freeze/other")
    made_report = report_of([CASE, other], (TORCH, [seen(CASE)]), cut_off=True)
    page = Page(html.html(made_report))
    assert "cut off after 1 of 2 cases" in page.text
    assert ["✓ conforms A 0", "? missing"] == cells(page.source)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verdict_is_a_glyph_and_a_word(report_of, verdict):
    """Nobody has to tell verdicts by their colour."""
    made_report = report_of([CASE], (TORCH, [seen(CASE)]))
    column = replace(made_report.columns[0], results={CASE.id: Result(CASE.id, verdict, "for a reason")})
    page = html.html(replace(made_report, columns=[column]))
    assert cells(page)[0].startswith(f"{GLYPHS[verdict]} {verdict}")
    assert VERDICTS[verdict] in page


def test_a_summary_has_counts_and_the_worst_error_of_what_conforms(report_of):
    """A row for each target: who it is, what became of its cases, how far off those are that conform."""
    other = made("freeze/other")
    made_report = report_of([CASE, other], (TORCH, [seen(CASE), seen(other, gamma=None)]))
    results = made_report.columns[0].results
    results[CASE.id] = replace(results[CASE.id], error=0.25)
    page = html.html(made_report)
    row = words(re.search(r'<tr id="target/.*?</tr>', page, re.DOTALL)[0])
    assert "torch_nn[module] torch 2.13.0+cpu 1 1 1 unexplained 0 0.25 the standard" == row
    facts = dict(Page(page).data["targets"][0]["facts"])
    assert ("2026-01-02 03:04:05 UTC", "3.11.7", "Linux-6.1-x86_64") == (
        facts["started"],
        facts["python"],
        facts["platform"],
    )


def test_nothing_is_ranked_and_nothing_is_loaded(report_of):
    """No percentage is in the text, and the page asks for no other file."""
    page = Page(html.html(report_of([CASE], (TORCH, [seen(CASE)]))))
    assert "%" not in "\n".join([page.text, *strings(page.data | {"consequences": "in units of a statistic"})])
    assert not page.tags & {"link", "img", "iframe", "object", "base"}
    assert [] == page.all("src")
    assert not re.search(r"url\(|@import", page.source)


def test_only_the_scripts_of_the_page_may_run(report_of):
    """The policy names each script by its digest, so that nothing that gets into the page can run."""
    page = html.html(report_of([CASE], (TORCH, [seen(CASE)])))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert 2 == len(digests)
    assert all(f"&#39;sha256-{digest}&#39;" in policy for digest in digests)
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "unsafe-eval" not in policy


def test_a_result_has_its_script(report_of):
    """The page has the script that `conformance repro` writes; none where the adapter has no template or broke off."""
    line, cut = seen(CASE, gamma=wire.encode(np.float32([7]))), {"id": CASE.id, "errored": "no"}
    jitted, nobody = (replace(TORCH, **{name: "nobody"}) for name in ("mode", "adapter"))
    ran = [(TORCH, [line]), (jitted, [line]), (nobody, [line]), (LAYER, [cut])]
    page = Page(html.html(report_of([CASE], *ran)))
    shows = [
        replace(each, departing=departing)
        for each, departing in zip(repro.wanted(trace(CASE, STANDARD)), ({}, {"gamma": 0}), strict=True)
    ]
    assert [repro.script(CASE, TORCH, line["steps"], shows)] == page.packed("tables")[0][1]
    assert [[0], [], [], []] == [result[5:] for result in page.data["cases"][0]["results"]]


@pytest.mark.parametrize(("gamma", "dtype"), [(None, ""), ("a text", ""), ([7], "float64"), ([[1]], "float32")])
def test_what_moved_is_the_first_quantity_that_did(report_of, gamma, dtype):
    """Another value, type or shape, or nothing where there was something, in the words of both sides."""
    sent = wire.encode(np.array(gamma, dtype)) if dtype else gamma
    results = [
        report_of([CASE], (TORCH, [seen(CASE, **last)])).columns[0].results[CASE.id] for last in ({}, {"gamma": sent})
    ]
    said = {"a text": "a text", "float64": "[7] (float64)", "float32": "[[1]]"}.get(dtype or gamma, "not there")
    assert f"step 2: gamma was [1], is {said}" == changes.moved(*results)
    assert "" == changes.moved(results[0], results[0])


@pytest.mark.parametrize("cases", [[], [CASE]])
def test_nothing_has_been_run(report_of, cases):
    """Without runs, and without cases too, there is still a page."""
    assert "Nothing has been run yet." in Page(html.html(report_of(cases))).text


def test_a_table_of_steps_shows_what_changed(report_of):
    """What is as it was before is only named; expected and observed that print alike stand there once."""
    stages, differ = table(report_of([CASE], (TORCH, [seen(CASE)])).columns[0].results[CASE.id], CASE)
    moving_mean = Row("moving_mean", "[2]", "", "0", "", departs=False, first=False)
    assert ["output", "moving_mean", "moving_variance", "gamma", "beta"] == [row.name for row in stages[0].rows]
    assert moving_mean == stages[0].rows[1]
    assert ["output"] == [row.name for row in stages[1].rows]
    assert ["moving_mean", "moving_variance", "gamma", "beta"] == stages[1].unchanged
    assert not differ


@pytest.mark.parametrize(
    ("observed", "shown", "note"),
    [
        ([[1], [2.5]], "[[1], [2.5]]", "worst at [0, 0]"),
        ([[1]], "[[1]]", "has the shape (1, 1) instead of (2, 1)"),
        ([[float("nan")], [2]], "[[nan], [2]]", "worst at [0, 0]"),
    ],
)
def test_a_table_of_steps_marks_the_first_divergence(report_of, observed, shown, note):
    """What departs is shown beside what was expected, with the place or the reason, and the first is marked."""
    line = seen(CASE, output=wire.encode(np.float32(observed)), beta=wire.encode(np.float32([7])))
    stages, differ = table(report_of([CASE], (TORCH, [line])).columns[0].results[CASE.id], CASE)
    output, beta = stages[1].rows
    assert (shown, note, True, True) == (output.observed, output.note, output.departs, output.first)
    assert ("[7]", "", True, False) == (beta.observed, beta.note, beta.departs, beta.first)
    assert differ


def test_what_stays_wrong_is_shown_again(report_of):
    """A quantity that departs is never passed over as unchanged."""
    line = seen(CASE, gamma=wire.encode(np.float32([7])))
    line["steps"][0]["quantities"]["gamma"] = line["steps"][1]["quantities"]["gamma"]
    stages, _ = table(report_of([CASE], (TORCH, [line])).columns[0].results[CASE.id], CASE)
    assert ["output", "gamma"] == [row.name for row in stages[1].rows]


def test_no_worst_error_without_a_case_that_conforms(report_of):
    """A target in which nothing conforms has no error that could be taken for a good one."""
    assert "none conforms" in html.html(report_of([CASE], (TORCH, [{"id": CASE.id, "unsupported": "no such thing"}])))


def test_steps_after_an_error_are_named(report_of):
    """Where a target breaks off, the rest of the case is there, and what was raised."""
    line = seen(CASE)
    line["steps"][1] = {"quantities": {}, "raised": ["ValueError", "no"]}
    stages, _ = table(report_of([CASE], (TORCH, [line])).columns[0].results[CASE.id], CASE)
    assert Stage("ValueError: no", [], []) == stages[1]


def test_reasons_and_exceptions_are_on_the_page(report_of):
    """What an adapter gave as the reason, and what a framework raised, can be read."""
    raised = {"id": CASE.id, "steps": [{"quantities": {}, "raised": ["ValueError", "of one"]}]}
    page = Page(html.html(report_of([CASE], (TORCH, [raised]), (LAYER, [{"id": CASE.id, "unsupported": "no masks"}]))))
    assert "step 1 raised ValueError: of one" in page.everything
    assert "no masks" in page.everything


def test_a_known_exception_is_still_shown(report_of):
    """The reason of a known divergence does not take the place of what was raised."""
    raised = {"id": CASE.id, "steps": [{"quantities": {}, "raised": ["ValueError", "of one"]}]}
    known = Entry(target="*", case="*", reason="They refuse on purpose")
    page = Page(html.html(report_of([CASE], (TORCH, [raised]), excuses=[known])))
    assert "They refuse on purpose" in page.everything
    assert "ValueError: of one" in page.everything


def test_a_case_shows_what_it_is(report_of):
    """Settings, data and steps of a case are on the page, long data cut."""
    network = [
        {"dense": {"name": "stem", "kernel": [[1, 2]]}},
        {"batch_norm": {"name": "norm", "features": 2, "momentum": 0.5, "epsilon": 0.001}},
        {"activation": "tanh"},
    ]
    data = {"batch": [[1], [5]], "large": {"random_state": 1, "normal": [60, 1]}}
    case = replace(made("a/b", data=data), text=made("a/b").text)
    page = Page(html.html(report_of([case], (replace(TORCH, adapter="other"), [seen(made("a/b"))]))))
    assert "features: 1, momentum: 0.5, epsilon: 0.0, moving_mean: [1]" in page.everything
    assert "the first 24 of 60 numbers, shape (60, 1)" in page.everything
    expected = [("dense", "name: stem, kernel: [[1, 2]]"), ("batch_norm", ""), ("activation", "tanh")]
    expected[1] = ("batch_norm", "features: 2, momentum: 0.5, epsilon: 0.001, name: norm")
    without_layer = {key: value for key, value in PLAIN.items() if key != "layer"} | {"network": network}
    assert expected == list(settings(load.build(parse(json.dumps(without_layer), "x"), "a/b")))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (0.0, "0"),
        (0.001, "< 0.01"),
        (0.25, "0.25"),
        (1.0, "1.00"),
        (1.0001, "> 1"),
        (1.534, "1.53×"),
        (127.3, "127×"),
        (127_123.4, "127,100×"),
        (2e9, "> 1e9"),
        (float("inf"), "∞"),
        (float("nan"), "∞"),
    ],
)
def test_errors_are_as_long_as_they_have_to_be(error, expected):
    """Errors in units of the bound: small, large, capped, and without measure."""
    assert expected == times(error)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.float32([[1], [2.5]]), "[[1], [2.5]]"),
        (np.float64(0.1) + np.zeros(1), "[0.1]"),
        (np.array(3.0), "3"),
        (np.zeros((0, 2)), "[]"),
        (np.array([True, False]), "[True, False]"),
        (np.array([2**40]), "[1099511627776]"),
        (np.float32([np.nan, -np.inf]), "[nan, -inf]"),
        (np.arange(6.0).reshape(2, 3)[:, ::2], "[[0, 2], [3, 5]]"),
        (np.ones((5, 5)), f"[{'1, ' * 24}…] the first 24 of 25 numbers, shape (5, 5)"),
    ],
)
def test_arrays_stand_on_one_line(array, expected):
    """Arrays in words: short ones whole, long ones cut."""
    assert expected == numbers(array)


def test_a_sentence_names_the_place_and_the_cause():
    """Why a target departs: where first, from what to what, how far, and under which convention it would not."""
    first = Divergence(1, "output", "departs", (0, 1), 1.3, 1.7, 127_123.4)
    cause = "variance = sample, where population is declared"
    where = "step 2: output[0, 1] is 1.7 where 1.3 was promised (127,100 times the bound)"
    assert f"{where}; {cause}" == why(Result("a/b", "diverges", "", first, first, first.error, cause))


def test_amounts_have_no_sign_of_their_own():
    """In a sentence the error is followed by words."""
    assert "127,100" == amount(127_123.4)
