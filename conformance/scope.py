"""What a mode is about: a variant that differs in one respect is only run on the cases that show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from conformance.case import Case
from conformance.corpus import Corpus

Scopes = Mapping[str, Sequence[str]]


def scopes(said: Any) -> Scopes:
    """{mode: verbs and statements} of what an adapter says of itself; a TypeError where that is something else."""
    about = dict(said.get("about", {}))
    for mode, words in about.items():
        if mode not in said["modes"] or not isinstance(words, list) or not words:
            raise TypeError(f"about[{mode!r}] must be a list of verbs and statements, of a mode that there is")
    return about


def concerned(corpus: Corpus, words: Collection[str]) -> list[str]:
    """The ids of the cases that a mode with these words is about; without words it is about all."""
    return [case_id for case_id in corpus.ids if not words or concerns(corpus.case(case_id), words)]


def concerns(case: Case, words: Collection[str]) -> bool:
    """Whether a case has one of these verbs or names one of these statements."""
    return any(step.verb in words for step in case.text.steps) or any(name in words for name in case.text.statements)
