"""A corpus in parts, for many machines: which part a case belongs to follows from its id alone, so it never moves."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from conformance import digests
from conformance.corpus import Corpus


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `count`; index counts from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def of(self, corpus: Corpus) -> Corpus:
        """The cases of a corpus that belong to this part."""
        return replace(corpus, ids=tuple(name for name in corpus.ids if belongs(name, self.count) == self.index))


def parse(text: str) -> Shard:
    """`2/8` -> a shard; a ValueError says what is wrong."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"{text!r} is not of the form i/n, with i from 1 to n")
    return Shard(int(match[1]), int(match[2]))


def belongs(case_id: str, count: int) -> int:
    """The part, of so many, that a case belongs to."""
    return int.from_bytes(hashlib.sha256(case_id.encode()).digest()[:8], "big") % count + 1


def digest(corpus: Corpus) -> str:
    """One digest over the ids and digests of all cases, whichever part of them is run."""
    return digests.of("".join(f"{case_id} {corpus.digest(case_id)}\n" for case_id in corpus.ids).encode())
