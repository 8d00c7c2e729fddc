"""A report as one page of HTML that needs nothing but itself: no network, no script, no other file.

Whatever comes from cases, adapters and frameworks is text to the template, which escapes it; `fit` makes it fit to be
shown. The same report gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from conformance.judge import VERDICTS
from conformance.render.view import named, settings, subjects, table
from conformance.render.words import GLYPHS, numbers, sentence, times, why
from conformance.report import Report

LONGEST = 2000
WORTH_CUTTING = 100
LONGEST_HINT = 240
TONES = {"conforms": "good", "known": "noted", "unsupported": "none", "unavailable": "none"}
UNFIT = re.compile(  # control codes, what turns the direction of the text that follows, and what is no character
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
LINK = re.compile(r"(https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]])")


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
        subjects=subjects(report.cases, heads),
        cases=len(report.cases),
        current={case.id for case in report.cases},
        used=verdicts,
    )


@cache
def template() -> Template:
    """The template, compiled, with the words that it may use."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"anchor": anchor, "times": times, "hint": hint, "numbers": numbers}
    environment.globals |= {
        "VERDICTS": VERDICTS,
        "GLYPHS": GLYPHS,
        "TONES": TONES,
        "pieces": pieces,
        "sentence": sentence,
        "settings": settings,
        "table": table,
        "why": why,
    }
    environment.tests["web"] = web
    return environment.get_template("page.html.j2")


def fit(value: object) -> object:
    """What the template is about to print: texts mended, everything else as it is."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value if len(value) <= LONGEST and value.isprintable() else mended(value)
    return value


def mended(text: str) -> str:
    """A text cut where cutting is worth it, which is said, with a sign in place of every code that has no sign."""
    cut = len(text) - LONGEST
    kept = f"{text[:LONGEST]} … (cut: {cut:,} more characters)" if cut > WORTH_CUTTING else text
    return UNFIT.sub("\ufffd", kept.replace("\r\n", "\n"))


def hint(text: str) -> str:
    """A text short enough for a tooltip."""
    return text if len(text) <= LONGEST_HINT else text[:LONGEST_HINT] + " …"


def anchor(*parts: str) -> str:
    """The id of an element, which is also how links write it."""
    return quote("/".join(parts), safe="/+", errors="replace")


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A text in pieces, each with whether it is an address on the web."""
    for index, piece in enumerate(LINK.split(mended(text))):
        yield piece, index % 2 == 1


def web(address: str) -> bool:
    """Whether a text can be made a link."""
    return address.startswith(("https://", "http://")) and len(address) <= LONGEST
