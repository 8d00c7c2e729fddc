"""The page in a real browser: every view by its link, filter, keyboard, hostile texts, accessibility in both themes.

Debian's Chromium is driven by playwright. Where it is missing these tests are skipped, which is said; with CI set
they fail.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

import reports
from conformance import wire
from conformance.compare import compare
from conformance.dialect import KNOBS, STANDARD
from conformance.inferred import Cases, Exceptional, Kept
from conformance.known import Entry
from conformance.render import html
from reports import FUNCTIONAL, HOSTILE, LAYER, SHOWN, TORCH, made, seen

CHROMIUM = Path("/usr/bin/chromium")
MISSING = f"{CHROMIUM} is not there (Debian: apt-get install chromium): THE PAGE WAS NOT TRIED IN A BROWSER"
pytestmark = pytest.mark.skipif(not CHROMIUM.exists() and not os.environ.get("CI"), reason=MISSING)

FREEZE = made("freeze/some_case", question="Does it move?", answer="No, not at all.", statements=["FREEZE-1"])
UPDATE = made(
    "update/variance",
    title="The variance is divided by n",
    question="Divided by what?",
    formerly=["update/old_name"],
    sources=["https://example.org/?a=1&b=2"],
)
LINKED = Entry(
    target="keras_layers[layer]", case="freeze/*", reason="See javascript:alert(1) and", link="https://e.org/4."
)
NEWER = replace(TORCH, version="2.14.0")
SAMPLE = {"variance": "sample"}
SAMPLED = STANDARD.under(SAMPLE)
MOVE = """fragment => new Promise((moved) => {  // on, and drawn: the page itself has listened for longer
    addEventListener("hashchange", () => setTimeout(moved), {once: true});
    location.hash = fragment;
})"""
ONE, TWO = "torch_nn-module-torch-2.13.0%2Bcpu", "keras_layers-layer-keras-3.15.1-tensorflow-2.21.0"
VIEWS = {
    "": "All results",
    "matrix": "All results",
    "matrix?sort=disagreement": "All results",
    "questions": "Questions and answers",
    "targets": "Targets",
    "timeline": "Versions",
    "legend": "Legend",
    "case/update/variance": UPDATE.text.title,
    "case/update/old_name": UPDATE.text.title,
    f"case/update/variance/{ONE}": UPDATE.text.title,
    f"target/{ONE}": "torch_nn[module] torch 2.13.0+cpu",
    f"pair/{ONE}/{TWO}": "torch_nn[module] and keras_layers[layer]",
    "case/gone/for_ever": "There is no such case",
    f"case/update/variance/{ONE}x": "There is no such target",
    "target/nobody": "There is no such target",
    "pair/nobody": "There is no such target",
    "something_else": "All results",
}


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A page with two cases, four targets, two classes, a known divergence and two versions."""
    wrong = seen(FREEZE, gamma=wire.encode(np.float32([7])))
    ran = [
        (TORCH, [seen(FREEZE, SAMPLED), seen(UPDATE, SAMPLED)], SAMPLE),
        (NEWER, [seen(FREEZE, SAMPLED), seen(UPDATE)], SAMPLE),
        (LAYER, [wrong, seen(UPDATE)]),
        (FUNCTIONAL, [seen(UPDATE)]),
    ]
    return written(tmp_path_factory.mktemp("page"), [FREEZE, UPDATE], *ran, excuses=[LINKED])


def written(folder, *given, **options):
    """The file of a report."""
    html.write_page(reports.report_of(folder, *given, **options), folder / "index.html")
    return folder / "index.html"


@pytest.fixture
def visit(browser):
    """A function: file, fragment, settings of the browser -> the page, once its script is ready; nothing may fail."""
    opened, failed = [], []

    def visit(file, fragment="", *, scripted=True, **settings):
        context = browser.new_context(java_script_enabled=scripted, **settings)
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda said: failed.append(said.text) if said.type in ("error", "warning") else None)
        page.on("dialog", lambda dialog: failed.append(dialog.message))
        page.on(
            "request", lambda made: failed.append(made.url) if not made.url.startswith(("file:", "data:")) else None
        )
        page.goto(f"file://{file}#{fragment}")
        if scripted:
            page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield visit
    for context in opened:
        context.close()
    assert [] == failed


def fragment(page):
    """What the address says of the view."""
    return page.evaluate("location.hash.slice(1)")


def expect_titles(page, *titles):
    """A view has these headings, now or as soon as the browser has told the page of its new address."""
    expect(page.locator("h2:visible")).to_have_text(list(titles))


def expect_address(page, fragment):
    """The address ends in a fragment, now or soon."""
    expect(page).to_have_url(re.compile(re.escape(f"#{fragment}") + "$"))


def expect_rows(page, *cases):
    """The matrix has the rows of these cases, now or soon."""
    expect(page.locator(".block tbody tr:not(.subject):visible .short")).to_have_text(list(cases))


def heads(page):
    """The modes above the columns that the matrix shows."""
    return page.locator(".heads tr:last-child a:visible")


@pytest.mark.parametrize("fragment", VIEWS)
def test_every_view_is_opened_by_its_link(visit, page_file, fragment):
    """A link leads to its view, alone, with its heading; a link to what is gone says so."""
    page = visit(page_file, fragment)
    expect_titles(page, VIEWS[fragment])


def test_a_link_is_followed_and_the_way_back_too(visit, page_file):
    """From a cell to its case, to the target, and back with the browser's own button."""
    page = visit(page_file)
    cell = page.locator(".block tbody tr:not(.subject) td").first
    cell.hover()
    cell.get_by_role("link").click()
    expect_address(page, f"case/freeze/some_case/{ONE.replace('%2B', '+')}")
    page.get_by_role("link", name="All targets in this case").click()
    expect_address(page, "case/freeze/some_case")
    expect(page.locator("#drawn h2")).to_be_focused()
    page.go_back()
    page.go_back()
    expect_titles(page, "All results")


def test_a_case_shows_classes_causes_and_numbers(visit, page_file):
    """The question, the answer, who does what, by which convention they differ, and the numbers of each class."""
    page = visit(page_file, "case/update/variance")
    text = page.locator("#drawn").inner_text()
    assert "Divided by what?" in text
    assert "By declaration: variance = sample where A has population" in text
    marked = page.locator("tr.differs").all_inner_texts()
    assert ["moving_variancediffers", "[4]", "[6]"] == marked[0].split("\t")
    assert "conformance run torch_nn --mode module --case update/variance" in text


def test_a_case_has_a_plot_of_what_differs(visit, page_file):
    """One line for each class, drawn by the library, and said in words for those who do not see it."""
    page = visit(page_file, "case/update/variance")
    plot = page.get_by_role("img", name="moving_variance after each step. Class A: 4, 4. Class B: 6, 6")
    plot.locator("canvas").first.wait_for()
    assert 1 == page.locator(".plot").count()


def test_a_result_marks_the_first_divergence(visit, page_file):
    """Expected and observed beside each other, and the place where it begins."""
    page = visit(page_file, f"case/freeze/some_case/{TWO}")
    assert ["gammafirst divergence"] == page.locator("tr.departs th").all_text_contents()
    assert ["gammafirst divergence\t[1]\t[7]\t> 1e9"] == page.locator("tr.departs").all_inner_texts()


def test_what_was_not_run_is_said(visit, page_file):
    """A cell without a result has no verdict, in the matrix and behind it."""
    name = TWO.replace("layer-keras", "functional-keras")
    page = visit(page_file, f"case/freeze/some_case/{name}")
    assert "not run" in page.locator("#drawn").inner_text()
    assert 0 == page.locator("#drawn .badge").count()


def test_a_target_shows_what_it_declares_and_where_it_departs(visit, page_file):
    """Known divergences, conventions beside the standard, errors, the run."""
    text = visit(page_file, f"target/{TWO}").locator("#drawn").inner_text()
    assert "See javascript:alert(1) and https://e.org/4." in text
    assert "Nothing in this run is red." in text
    assert "2026-01-02 03:04:05 UTC" in text


def test_a_target_shows_what_its_observations_prove(visit, tmp_path):
    """Beside what is declared the value that is left, the cases that refute the others, and exceptions."""
    made_report = reports.report_of(tmp_path, [FREEZE, UPDATE], (TORCH, [seen(FREEZE), seen(UPDATE)], SAMPLE))
    proof = Cases(count=1, first=[UPDATE.id])
    left = {knob: list(values) for knob, values in KNOBS.items()} | {"variance": ["population"]}
    exceptions = [Exceptional(said="something else", cases=proof)]
    kept = Kept(digest="", cases=2, left=left, proofs={"variance": proof}, exceptions=exceptions, unexplained=["a/b"])
    shown = replace(made_report, columns=[replace(made_report.columns[0], inferred=kept)])
    html.write_page(shown, tmp_path / "index.html")
    page = visit(tmp_path / "index.html", f"target/{ONE}")
    row = page.get_by_role("row").filter(has_text="variance").first.inner_text()
    assert "population not as declared\n1 case: update/variance" in row
    text = page.locator("#drawn").inner_text()
    assert "no case tells none from zero_debias" in text
    assert "something else: 1 case: update/variance" in text
    assert "No single convention accounts for 1 case: a/b." in text


def test_a_target_says_how_its_conventions_are_inferred(visit, page_file):
    """Where nobody has worked them out there is the command that does."""
    text = visit(page_file, f"target/{ONE}").locator("#drawn").inner_text()
    assert "conformance infer torch_nn[module] --write" in text


def test_two_targets_are_compared(visit, page_file):
    """The conventions in which they differ, the cases in which they do, and why; the other target can be chosen."""
    page = visit(page_file, f"target/{ONE}")
    page.get_by_label("Compare with").select_option(label="keras_layers[layer] · keras 3.15.1 on tensorflow 2.21.0")
    expect_address(page, f"pair/{ONE.replace('%2B', '+')}/{TWO}")
    expect_titles(page, "torch_nn[module] and keras_layers[layer]")
    text = page.locator("#drawn").inner_text()
    assert "Of 2 cases that both were given they behave differently in 2, alike in 0." in text
    assert "variance: sample, not population" in text
    assert "a moving variance fed ÷(n-1) ends 1.59 % higher" in text
    assert "nn.BatchNorm1d(64, eps=0.001, momentum=0.01)" in text
    assert "No argument makes these equal: variance." in text


def test_an_argument_makes_a_layer_the_same(visit, tmp_path):
    """A convention that the other framework can be told is in its call, and is not what is left."""
    linen, one_pass = replace(TORCH, adapter="flax_linen"), {"variance_algorithm": "one_pass"}
    file = written(tmp_path, [UPDATE], (TORCH, [seen(UPDATE)]), (linen, [seen(UPDATE)], one_pass))
    there = ONE.replace("torch_nn", "flax_linen")
    text = visit(file, f"pair/{ONE}/{there}").locator("#drawn").inner_text()
    assert "nn.BatchNorm(momentum=0.99, epsilon=0.001, use_fast_variance=False)" in text
    assert "With that no convention differs." in text
    assert (
        "No argument makes these equal: variance_algorithm."
        in visit(file, f"pair/{there}/{ONE}").locator("#drawn").inner_text()
    )


def test_what_has_no_spelling_is_said(visit, tmp_path):
    """An adapter without a template for its layer cannot be ported from, and the page says so."""
    file = written(tmp_path, [UPDATE], (TORCH, [seen(UPDATE)]), (replace(TORCH, adapter="other"), [seen(UPDATE)]))
    page = visit(file, f"pair/{ONE}/{ONE.replace('torch_nn', 'other')}")
    assert "There is no spelling yet of other." in page.locator("#drawn").inner_text()


def test_versions_are_compared(visit, page_file):
    """A case in which a version does something else than the one before has a row."""
    page = visit(page_file, "timeline")
    assert [UPDATE.text.title] == page.locator("#drawn tbody th").all_inner_texts()


@pytest.mark.parametrize(
    ("query", "cases", "targets"),
    [
        ("status:known", ["some_case"], 4),
        ("status:red", ["variance"], 4),
        ("-status:red", ["some_case"], 4),
        ("target:keras*", ["some_case", "variance"], 2),
        ("target:keras* -target:*functional*", ["some_case", "variance"], 1),
        ("tag:freeze", ["some_case"], 4),
        ("tag:FREEZE-1", ["some_case"], 4),
        ("case:*/old_name", ["variance"], 4),
        ("is:different target:torch*", ["variance"], 2),
        ("is:same target:torch*", ["some_case"], 2),
        ("knob:variance", ["variance"], 4),
        ("divided by", ["variance"], 4),
        ('"by divided"', [], 4),
        ("status:nonsense", [], 4),
        ("target:nobody", ["some_case", "variance"], 0),
    ],
)
def test_the_filter_leaves_what_fits(visit, page_file, query, cases, targets):
    """Typed or linked, a filter leaves the same, and stands in the address; nothing found is said."""
    page = visit(page_file)
    page.get_by_label("Filter").fill(query)
    empty = not cases or not targets
    for view in (page, visit(page_file, fragment(page))):
        assert query == view.get_by_label("Filter").input_value()
        expect_rows(view, *cases)
        expect(heads(view)).to_have_count(targets)
        assert empty == view.locator("#nothing").is_visible()
        assert ("Nothing found" in view.locator("#found").inner_text()) == empty


def test_a_filter_says_what_it_does_not_know(visit, page_file):
    """A word that no status has is named with those that there are."""
    page = visit(page_file, "matrix?q=status:nonsense")
    assert "there is no status:nonsense; status can be red, green, conforms" in page.locator("#nothing").inner_text()


def test_questions_are_filtered_too(visit, page_file):
    """The words of a search leave the questions that they are in."""
    page = visit(page_file, "questions?q=divided")
    assert ["Divided by what?"] == page.locator("article:visible h4").all_inner_texts()


def test_the_keyboard_reaches_everything(visit, page_file):
    """Filter, cells in all directions, opening, emptying."""
    page = visit(page_file)
    page.keyboard.press("Control+k")
    page.keyboard.type("tag:update")
    expect_rows(page, "variance")
    page.keyboard.press("Escape")
    expect_rows(page, "some_case", "variance")
    page.locator(".block a[tabindex='0']").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(":focus")).to_have_attribute("href", re.compile("update/variance"))
    expect(page.locator(".peek:visible")).to_contain_text(re.compile("conforms|diverges"))
    page.keyboard.press("Enter")
    expect_titles(page, UPDATE.text.title)


def test_subjects_are_folded(visit, page_file):
    """What is folded stands in the address."""
    page = visit(page_file)
    page.get_by_role("button", name="freeze").click()
    expect_rows(page, "variance")
    expect_rows(visit(page_file, fragment(page)), "variance")
    page.get_by_role("button", name="Unfold all").click()
    expect_rows(page, "some_case", "variance")


def test_the_row_with_most_classes_can_come_first(visit, tmp_path):
    """The order stands in the address."""
    file = written(tmp_path, [FREEZE, UPDATE], (TORCH, [seen(FREEZE), seen(UPDATE, SAMPLED)]), (LAYER, [seen(UPDATE)]))
    page = visit(file)
    expect_rows(page, "some_case", "variance")
    page.get_by_label("Order").select_option("disagreement")
    expect_rows(page, "variance", "some_case")
    expect_address(page, "matrix?sort=disagreement")
    expect_rows(visit(file, fragment(page)), "variance", "some_case")
    page.get_by_label("Order").select_option("")
    expect_rows(page, "some_case", "variance")


def test_a_script_and_a_command_are_copied(visit, page_file):
    """The buttons put the one or the other into the clipboard and say so."""
    departs = ONE.replace("2.13.0%2Bcpu", "2.14.0")
    page = visit(page_file, f"case/update/variance/{departs}", permissions=["clipboard-read", "clipboard-write"])
    copied = []
    for box in (".script", ".command"):
        page.locator(box).get_by_role("button", name="Copy").click()
        page.locator(box).get_by_role("button", name="Copied").wait_for()
        copied.append(page.evaluate("navigator.clipboard.readText()"))
    compile(copied[0], "script", "exec")
    assert "nn.BatchNorm1d(1, eps=0.0, momentum=0.5)" in copied[0]
    assert "conformance run torch_nn --mode module --case update/variance" == copied[1]


def test_a_case_has_a_script_for_each_target_that_departs(visit, page_file):
    """A result that conforms has the command that runs the case again."""
    page = visit(page_file, "case/freeze/some_case")
    assert "keras.layers.BatchNormalization" in page.locator(".script").inner_text()
    page = visit(page_file, f"case/freeze/some_case/{ONE}")
    assert 0 == page.locator(".script").count()
    assert "conformance run torch_nn" in page.locator(".command").inner_text()


def test_links_leave_only_for_the_web(visit, page_file):
    """Sources and links of known divergences are links; what merely looks like one is text."""
    links = [f"case/freeze/some_case/{TWO}", "case/update/variance"]
    outward = [visit(page_file, link).locator("#drawn a[rel='noopener noreferrer']") for link in links]
    assert [["https://e.org/4"], ["https://example.org/?a=1&b=2"]] == [
        [link.get_attribute("href") for link in found.all()] for found in outward
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://a", True),
        ("javascript:alert(1)//https://", False),
        ("data:text/html,x", False),
        (" https://a", False),
        ("https://" + "x" * 100_000, False),
    ],
)
def test_only_the_web_can_be_linked(visit, page_file, address, expected):
    """An address of another kind, or one that would be cut, is shown as text."""
    assert expected == visit(page_file).evaluate("web", address)


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory):
    """A page in which everything that can be worded by others means harm."""
    case = made("a/b", **dict.fromkeys(("title", "question", "answer", "effect"), HOSTILE))
    target = replace(TORCH, **dict.fromkeys(("adapter", "mode", "framework", "version", "backend"), HOSTILE))
    lines = [{"id": case.id, "steps": [{"quantities": {}, "raised": [HOSTILE, HOSTILE]}]}]
    provenance = dict.fromkeys(reports.PROVENANCE, HOSTILE) | {"about": [HOSTILE]}
    folder = tmp_path_factory.mktemp("hostile")
    return written(folder, [case], (target, lines), (LAYER, [seen(case)]), provenance=provenance)


def test_what_others_word_is_text_in_every_view(visit, hostile_file):
    """Nothing runs, nothing loads, no element comes of it; the words can be read."""
    page = visit(hostile_file)
    names = [target["name"] for target in page.evaluate("report.targets")]
    views = ["matrix", "questions", "targets", "legend", "timeline", "case/a/b", f"case/a/b/{names[0]}"]
    views += [f"target/{names[0]}", f"pair/{names[0]}/{names[1]}", f"matrix?q={HOSTILE}", f"case/{HOSTILE}", HOSTILE]
    for view in views:
        page.evaluate(MOVE, view)
        assert 0 == page.locator("img, body script:not([type], :last-child)").count()
    page.evaluate(MOVE, "case/a/b")
    assert SHOWN in page.locator("h2:visible").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("fragment", [*list(VIEWS)[:13], "matrix?q=nothing_like_it"])
def test_axe_finds_nothing(visit, page_file, theme, fragment):
    """Rules of WCAG 2.2 A and AA, and best practices, in both themes, with the help open."""
    check_with_axe(visit(page_file, fragment, color_scheme=theme))


def check_with_axe(page):
    """Nothing is found on a page."""
    page.locator(".help summary").click()
    found = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    assert [] == [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found.response["violations"]]


def test_without_a_script_there_is_a_table(visit, page_file):
    """The matrix, the questions and the legend can be read, links to cases lead somewhere, the controls are gone."""
    page = visit(page_file, "case/update/variance", scripted=False)
    expect_rows(page, "some_case", "variance")
    assert page.locator("article", has_text="Divided by what?").is_visible()
    assert "Without JavaScript" in page.locator("main").inner_text()
    assert not page.locator(".search").is_visible()
    assert (
        4
        == page.locator(
            "[id='case/update/old_name'], [id='case/update/variance'], [id='matrix'], [id='legend']"
        ).count()
    )


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    """A page with more cases and targets than a screen has room for."""
    cases = [made(f"update/case_{number}") for number in range(60)]
    lines = [seen(cases[0])]
    ran = [
        (replace(TORCH, mode=f"mode_{number}"), [{**lines[0], "id": case.id} for case in cases]) for number in range(30)
    ]
    return written(tmp_path_factory.mktemp("large"), cases, *ran)


def test_what_is_out_of_sight_is_drawn_when_there_is_time(visit, large_file):
    """The first view has what is in sight, and soon everything: it can be found, read out and printed."""
    page = visit(large_file)
    expect(page.locator(".block td.good")).to_have_count(1800)
    page.get_by_label("Filter").fill("case_1")
    page.get_by_label("Filter").fill("")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert [60, 1800] == [page.locator(f".block {what}").count() for what in ("tr[data-case]", "td.good")]


def test_the_keyboard_goes_where_nothing_is_drawn_yet(visit, large_file):
    """To the last row and the last column, at once."""
    page = visit(large_file)
    page.locator(".block a[tabindex='0']").focus()
    for key in ["ArrowDown"] * 59 + ["ArrowRight"] * 30:
        page.keyboard.press(key)
    expected = "#case/update/case_59/torch_nn-mode_29-torch-2.13.0+cpu"
    expect(page.locator(":focus")).to_have_attribute("href", expected)


def test_an_old_browser_gets_the_plain_table(browser, page_file):
    """Without the means to unpack anything there is what there is without a script."""
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(f"file://{page_file}")
    expect_rows(page, "some_case", "variance")
    assert not page.locator(".search").is_visible()
    page.close()


@pytest.fixture(scope="module")
def compared_file(tmp_path_factory):
    """A page with something regressed, fixed, changed, new, removed and the same."""
    wrong, folders = {"gamma": wire.encode(np.float32([7]))}, [tmp_path_factory.mktemp(name) for name in ("old", "new")]
    cases = [made(f"kind/{name}") for name in ("regressed", "fixed", "changed", "new", "removed", "same")]
    regressed, fixed, changed, new, removed, same = cases
    older = [seen(regressed), seen(fixed, **wrong), seen(changed, **wrong), seen(removed), seen(same)]
    newer = [
        seen(regressed, **wrong),
        seen(fixed),
        seen(changed, gamma=wire.encode(np.float32([8]))),
        seen(new),
        seen(same),
    ]
    before = reports.report_of(folders[0], cases, (TORCH, older), (LAYER, [seen(same)]))
    after = reports.report_of(folders[1], cases, (NEWER, newer), (FUNCTIONAL, [seen(same)]))
    html.write_page(after, folders[1] / "index.html", compare(before, after))
    return folders[1] / "index.html"


def test_a_comparison_opens_with_what_changed(visit, compared_file):
    """Every kind is counted; changes that count are told in words, what came or went by target."""
    page = visit(compared_file)
    expect_titles(page, "What changed")
    counts = ["▼ regressed 1", "▲ fixed 1", "≠ changed 1", "+ new 2", "− removed 2", "= same 1"]
    assert ["everything", *counts] == page.locator("#kinds a").all_inner_texts()
    rows = [text.split("\t") for text in page.locator("#listed tbody tr").all_inner_texts()]
    assert ["kind/regressed", "kind/fixed", "kind/changed"] == [row[1].strip().split("\n")[-1] for row in rows]
    assert "step 2: gamma was [1], is [7]\nis: step 2: gamma is 7 where 1 was promised" in rows[0][3]
    assert "torch 2.13.0+cpu → torch 2.14.0" in rows[0][0]
    came = page.locator("#listed .listing li").all_inner_texts()
    assert ["torch_nn[module]", "keras_layers[functional]", "torch_nn[module]", "keras_layers[layer]"] == [
        text.split(" ")[0] for text in came
    ]


def test_what_is_the_same_is_greyed_and_not_hidden(visit, compared_file):
    """The sheet has every case; a filter for a kind leaves its cases, stands in the address, and goes there again."""
    page = visit(compared_file)
    kinds = ["regressed", "fixed", "changed", "new", "removed", "same"]
    expect(page.locator("#changes tr[data-case]:visible .short")).to_have_text(kinds)
    same = page.locator("#changes tr[data-case='5'] td").first
    assert ("same", "=") == (same.get_attribute("class"), same.text_content())
    page.get_by_role("link", name="fixed 1").click()
    expect_address(page, "compare?q=change%3Afixed")
    for view in (page, visit(compared_file, fragment(page))):
        expect(view.locator("#changes tr[data-case]:visible .short")).to_have_text(["fixed"])
        expect(view.locator("#listed h3")).to_have_text("▲ fixed 1 was red, and is green", use_inner_text=True)


def test_a_change_leads_to_its_case(visit, compared_file):
    """From a cell of the sheet to every number of the later run; from what is gone to the case."""
    page = visit(compared_file)
    cell = page.locator("#changes tr[data-case='0'] td").first
    cell.hover()
    expect(page.locator(".peek:visible")).to_contain_text("regressed")
    assert "#case/kind/regressed/torch_nn-module-torch-2.14.0" == cell.locator("a").get_attribute("href")
    gone = page.locator("#changes tr[data-case='5'] td").nth(1)
    gone.hover()
    assert "#case/kind/same" == gone.locator("a").get_attribute("href")


def test_a_comparison_can_be_read_without_a_script(visit, compared_file):
    """What regressed, was fixed or changed is a table."""
    text = visit(compared_file, scripted=False).locator("#listed").inner_text()
    assert "regressed: 1, fixed: 1, changed: 1, new: 2, removed: 2, same: 1" in text
    assert "kind/regressed" in text


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("fragment", ["", "compare?q=change:regressed", "compare?q=nothing_like_it", "matrix"])
def test_axe_finds_nothing_in_a_comparison(visit, compared_file, theme, fragment):
    """The same rules for the view of what changed."""
    check_with_axe(visit(compared_file, fragment, color_scheme=theme))


def test_a_comparison_fits_a_narrow_screen(visit, compared_file):
    """Only tables scroll sideways."""
    page = visit(compared_file, viewport={"width": 320, "height": 640})
    assert 320 >= page.evaluate("document.documentElement.scrollWidth")


@pytest.mark.parametrize("fragment", list(VIEWS)[:12])
def test_a_narrow_screen_scrolls_in_one_direction(visit, page_file, fragment):
    """At 320 pixels only tables scroll sideways, each in its own frame."""
    page = visit(page_file, fragment, viewport={"width": 320, "height": 640})
    assert 320 >= page.evaluate("document.documentElement.scrollWidth")


def test_print_has_all_rows_and_no_controls(visit, page_file):
    """On paper nothing is cut off by a frame."""
    page = visit(page_file)
    page.emulate_media(media="print")
    assert not page.locator(".search").is_visible()
    assert "visible" == page.locator(".window").evaluate("element => getComputedStyle(element).overflowY")
