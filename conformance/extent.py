"""How much is run, and how: a pinned corpus, a shard of it, so many times, with or without the cache, annotated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance import corpora, shards
from conformance.corpus import Corpus
from conformance.strict_yaml import BadInput, Problem


@dataclass(frozen=True, slots=True)
class Extent:
    """What the options for CI say."""

    shard: shards.Shard | None = None
    corpus: str | None = None
    repeat: int = 1
    cache: bool = True
    annotate: bool = False
    page: bool = True

    @property
    def cached(self) -> bool:
        """Whether earlier observations may stand: whoever repeats wants new ones."""
        return self.cache and self.repeat == 1

    def whole(self, corpus: Corpus) -> tuple[Corpus, list[str]]:
        """The cases that count, and what is to be said of the others."""
        if self.corpus is None:
            return corpus, []
        found = corpora.pinned(corpus, self.corpus)
        return found.corpus, list(found.told())

    def part(self, corpus: Corpus) -> Corpus:
        """The cases that are run here; a shard without any is an error."""
        part = self.shard.of(corpus) if self.shard else corpus
        if not part.ids:
            raise BadInput([Problem(str(corpus.root), 1, 1, f"shard {self.shard} has no case: choose fewer shards")])
        return part

    def noted(self, corpus: Corpus) -> dict[str, Any]:
        """For the header of a run file: what this is a part of."""
        return dict(self._noted(corpus))

    def _noted(self, corpus: Corpus) -> Iterator[tuple[str, Any]]:
        yield "corpus", shards.digest(corpus)
        if self.shard is not None:
            yield "shard", str(self.shard)
        if self.corpus is not None:
            yield "pinned", self.corpus
        if self.repeat > 1:
            yield "repeat", self.repeat
