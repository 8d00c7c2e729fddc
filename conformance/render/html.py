"""A report as one page of HTML that needs nothing but itself: no network, no other file.

Whatever comes from cases, adapters and frameworks is text to the template, which escapes it, and to the page's script,
which only ever makes text nodes of it; `fit` makes it fit to be shown. The same report gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from conformance.compare import KINDS, Comparison
from conformance.dialect import KNOBS
from conformance.judge import VERDICTS
from conformance.render import text
from conformance.render.changes import changes
from conformance.render.data import data, deflated, meanings, packed
from conformance.render.view import named, subjects
from conformance.render.words import GLYPHS, TONES, WORDS, measured, times, why
from conformance.report import Report
from conformance.runs import write

PARTS = Path(__file__).parent / "page"
SCRIPTS = (
    "base.js",
    "data.js",
    "query.js",
    "sheet.js",
    "matrix.js",
    "compare.js",
    "steps.js",
    "plot.js",
    "case.js",
    "target.js",
    "pair.js",
    "main.js",
)
EARLY = 'document.documentElement.classList.add("scripted");'  # so that nothing is shown that is taken away again


def write_page(report: Report, page: Path, comparison: Comparison | None = None) -> None:
    """Write the page of a report."""
    write(page, html(report, comparison).encode())


def html(report: Report, comparison: Comparison | None = None) -> str:
    """The page of a report, with what changed in it where it is the later one of a comparison."""
    heads = named(report.columns)
    shown, tables = data(report, heads)
    if comparison:
        shown["comparison"] = changes(comparison, heads)
    verdicts = [verdict for verdict in VERDICTS if any(verdict in column.counts for column in report.columns)]
    return template().render(
        heads=heads,
        groups=[list(group) for _, group in groupby(heads, key=lambda head: head.group)],
        subjects=subjects(report, heads),
        cases=len(report.cases),
        current={case.id for case in report.cases},
        used=verdicts,
        comparison=comparison,
        library=Markup(deflated(library())),  # noqa: S704 - base64
        policy=policy(),
        data=Markup(packed(shown)),  # noqa: S704 - base64
        tables=Markup(packed(tables)),  # noqa: S704 - base64
    )


@cache
def template() -> Template:
    """The template, compiled, with the words that it may use."""
    environment = Environment(
        loader=FileSystemLoader(PARTS),
        autoescape=True,
        finalize=fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"anchor": text.anchor, "times": times, "measured": measured, "why": why}
    environment.globals |= {
        "VERDICTS": VERDICTS,
        "GLYPHS": GLYPHS,
        "TONES": TONES,
        "WORDS": WORDS,
        "KNOBS": KNOBS,
        "KINDS": KINDS,
        "meanings": meanings(),
        "style": Markup((PARTS / "page.css").read_text("utf-8")),  # noqa: S704 - our own
        "early": Markup(EARLY),  # noqa: S704 - our own
        "script": Markup(script()),  # noqa: S704 - our own
    }
    return environment.get_template("page.html.j2")


@cache
def script() -> str:
    """The page's script, in one piece."""
    return '"use strict";\n' + "".join((PARTS / name).read_text("utf-8") for name in SCRIPTS)


@cache
def library() -> str:
    """The script of the plotting library; empty where it is not installed: the page then has tables only."""
    found = find_spec("bokeh")
    places = found.submodule_search_locations if found else None
    files = [Path(place) / "server" / "static" / "js" / "bokeh.min.js" for place in places or ()]
    return next((file.read_text("utf-8") for file in files if file.is_file()), "")


@cache
def policy() -> str:
    """What the browser may do with the page: run these scripts and no other, load nothing, send nothing."""
    digests = (hashlib.sha256(text.encode()).digest() for text in (EARLY, script(), library()))
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    rest = "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {allowed}; {rest}"


def fit(value: object) -> object:
    """What the template is about to print: texts mended, everything else as it is."""
    return text.fit(value) if isinstance(value, str) and not isinstance(value, Markup) else value
