"""Reports and comparisons as JUnit XML, which continuous integration shows as tests: a suite for each target."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from conformance.compare import KINDS, Change, Comparison
from conformance.judge import VERDICTS, Result
from conformance.render.text import fit
from conformance.render.words import why
from conformance.report import Report


def report(made: Report) -> str:
    """A test for every case of every target: red ones fail, what is known or not supported is skipped."""
    root = ET.Element("testsuites", name="batchnorm-conformance")
    for column in made.columns:
        suite = _suite(root, f"{column.target.label} {column.target.environment}")
        for result in column.results.values():
            _result(_case(suite, column.target.label, result.case), result)
        if not column.run.complete:
            _said(_case(suite, column.target.label, "the whole run"), "failure", "the run was cut off", "missing")
    return _text(root)


def comparison(made: Comparison) -> str:
    """A test for every case of every target: what regressed fails, what is not run any more is skipped."""
    root = ET.Element("testsuites", name="batchnorm-conformance compared")
    suites: dict[str, ET.Element] = {}
    for change in made.changes:
        if change.target not in suites:
            suites[change.target] = _suite(root, change.target)
        _change(_case(suites[change.target], change.target, change.case), change)
    return _text(root)


def _result(case: ET.Element, result: Result) -> None:
    if not result.green:
        _said(case, "failure", why(result) or VERDICTS[result.verdict], result.verdict)
    elif result.verdict != "conforms":
        _said(case, "skipped", f"{result.verdict}: {why(result)}")


def _change(case: ET.Element, change: Change) -> None:
    if change.kind == "regressed" and change.after is not None:
        said = why(change.after) or VERDICTS[change.after.verdict]
        _said(case, "failure", f"{KINDS['regressed']}: {said}", change.after.verdict)
    elif change.kind == "removed":
        _said(case, "skipped", KINDS["removed"])


def _suite(root: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(root, "testsuite", name=fit(name))


def _case(suite: ET.Element, target: str, case: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=fit(target), name=fit(case))


def _said(case: ET.Element, tag: str, message: str, kind: str = "") -> None:
    ET.SubElement(case, tag, {"message": fit(message), **({"type": kind} if kind else {})})


def _text(root: ET.Element) -> str:
    for suite in root:
        _count(suite, list(suite))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _count(suite: ET.Element, cases: Iterable[ET.Element]) -> None:
    tags = [case[0].tag if len(case) else "" for case in cases]
    suite.attrib |= {
        "tests": str(len(tags)),
        "failures": str(tags.count("failure")),
        "errors": "0",
        "skipped": str(tags.count("skipped")),
    }
