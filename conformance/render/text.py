"""Texts from cases, adapters and frameworks, made fit to be shown: cut, and without codes that have no sign."""

from __future__ import annotations

import re
from urllib.parse import quote

LONGEST = 2000
WORTH_CUTTING = 100
UNFIT = re.compile(  # control codes, what turns the direction of the text that follows, and what is no character
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def fit(text: str) -> str:
    """A text that can be shown: most are as they are."""
    return text if len(text) <= LONGEST and text.isprintable() else mended(text)


def mended(text: str) -> str:
    """A text cut where cutting is worth it, which is said, with a sign in place of every code that has no sign."""
    cut = len(text) - LONGEST
    kept = f"{text[:LONGEST]} … (cut: {cut:,} more characters)" if cut > WORTH_CUTTING else text
    return signed(kept.replace("\r\n", "\n"))


def signed(text: str) -> str:
    """A text with a sign in place of every code that has none."""
    return UNFIT.sub("\ufffd", text)


def anchor(*parts: str) -> str:
    """The fragment of a view, which is also how links write it."""
    return quote("/".join(parts), safe="/+", errors="replace")
