"""A report as one page of HTML that needs nothing but itself: no network, no other file.

Whatever comes from cases, adapters and frameworks is text to the template, which escapes it, and to the page's script,
which only ever makes text nodes of it; `fit` makes it fit to be shown. The same report gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from conformance.dialect import KNOBS
from conformance.judge import VERDICTS
from conformance.render import text
from conformance.render.data import data, meanings, packed
from conformance.render.view import named, subjects
from conformance.render.words import GLYPHS, TONES, WORDS, times
from conformance.report import Report

PARTS = Path(__file__).parent / "page"
SCRIPTS = ("base.js", "data.js", "query.js", "matrix.js", "steps.js", "plot.js", "case.js", "target.js", "pair.js", "main.js")


def write_page(report: Report, page: Path) -> None:
    """Write the page of a report."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_bytes(html(report).encode())


def html(report: Report) -> str:
    """The page of a report."""
    heads = named(report.columns)
    verdicts = [verdict for verdict in VERDICTS if any(verdict in column.counts for column in report.columns)]
    return template().render(
        heads=heads,
        groups=[list(group) for _, group in groupby(heads, key=lambda head: head.group)],
        subjects=subjects(report, heads),
        cases=len(report.cases),
        current={case.id for case in report.cases},
        used=verdicts,
        data=Markup(packed(data(report, heads))),  # noqa: S704 - base64
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
    environment.filters |= {"anchor": text.anchor, "times": times}
    environment.globals |= {
        "VERDICTS": VERDICTS,
        "GLYPHS": GLYPHS,
        "TONES": TONES,
        "WORDS": WORDS,
        "KNOBS": KNOBS,
        "meanings": meanings(),
        "policy": policy(),
        "style": Markup((PARTS / "page.css").read_text("utf-8")),  # noqa: S704 - our own
        "script": Markup(script()),  # noqa: S704 - our own
    }
    return environment.get_template("page.html.j2")


@cache
def script() -> str:
    """The page's script, in one piece."""
    return '"use strict";\n' + "".join((PARTS / name).read_text("utf-8") for name in SCRIPTS)


def policy() -> str:
    """What the browser may do with the page: run this script and no other, load nothing, send nothing."""
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def fit(value: object) -> object:
    """What the template is about to print: texts mended, everything else as it is."""
    return text.fit(value) if isinstance(value, str) and not isinstance(value, Markup) else value
