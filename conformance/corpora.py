"""Corpora that are pinned: `corpora/2026.11.txt` in the folder of cases lists the ids and digests that there were."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from conformance.corpus import Corpus
from conformance.load import decode, read
from conformance.strict_yaml import BadInput, Problem

FOLDER = "corpora"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,40}")
_LINE = re.compile(r"([0-9a-f]{16}) (\S+)")


@dataclass(frozen=True, slots=True)
class Pinned:
    """What became of a pinned corpus: the cases of it that there are, and what has changed around it."""

    corpus: Corpus
    name: str
    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]

    def told(self) -> Iterator[str]:
        """What a person has to know: what is not judged, and what is judged in another wording."""
        said = (("new since then, not judged", self.new), ("changed since then", self.changed), ("gone", self.gone))
        for what, ids in said:
            if ids:
                yield f"corpus {self.name}: {len(ids)} {what}: {', '.join(ids)}"


def names(root: Path) -> list[str]:
    """The corpora that have been pinned for a folder of cases."""
    return sorted(path.stem for path in (root / FOLDER).glob("*.txt"))


def freeze(corpus: Corpus, name: str) -> Path:
    """Write down which cases there are; a corpus is pinned once and for all."""
    path = _path(corpus.root, name)
    if path.exists():
        raise BadInput([Problem(str(path), 1, 1, "this corpus is pinned already; choose another name")])
    path.parent.mkdir(exist_ok=True)
    lines = (f"{corpus.digest(case_id)} {case_id}\n" for case_id in corpus.ids)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def pinned(corpus: Corpus, name: str) -> Pinned:
    """The cases of a corpus that belong to a pinned one; a case that has moved since is known by `formerly`."""
    listed = _listed(_path(corpus.root, name), corpus.root)
    moved = _moved(corpus, listed)
    ids = tuple(case_id for case_id in corpus.ids if case_id in listed or case_id in moved)
    changed = (case_id for case_id in ids if case_id in listed and listed[case_id] != corpus.digest(case_id))
    wanted = frozenset(ids)
    new = tuple(case_id for case_id in corpus.ids if case_id not in wanted)
    there = {*ids, *moved.values(), *(case_id for case_id in listed if _file(corpus, case_id).is_file())}
    gone = tuple(case_id for case_id in listed if case_id not in there)
    return Pinned(replace(corpus, ids=ids), name, new, tuple(changed), gone)


def _moved(corpus: Corpus, listed: Mapping[str, str]) -> dict[str, str]:
    """{id now: id in the list} of the cases that have moved; asked for only where an id of the list is missing."""
    absent = {case_id for case_id in listed if not _file(corpus, case_id).is_file()}
    candidates = (case_id for case_id in corpus.ids if absent and case_id not in listed)
    formerly = ((case_id, former) for case_id in candidates for former in corpus.case(case_id).text.formerly)
    return {case_id: former for case_id, former in formerly if former in absent}


def _file(corpus: Corpus, case_id: str) -> Path:
    return corpus.root / f"{case_id}.yaml"


def _path(root: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise BadInput([Problem(str(root / FOLDER), 1, 1, f"{name!r} is no name of a corpus; write one like 2026.11")])
    return root / FOLDER / f"{name}.txt"


def _listed(path: Path, root: Path) -> dict[str, str]:
    """{id: digest} of a pinned corpus."""
    if not path.is_file():
        there = ", ".join(names(root)) or "none"
        raise BadInput([Problem(str(path), 1, 1, f"there is no such corpus; pinned here: {there}")])
    listed: dict[str, str] = {}
    for number, line in enumerate(decode(read(path), str(path)).splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in listed:
            raise BadInput([Problem(str(path), number, 1, "a line is a digest, a space and an id, each id once")])
        listed[match[2]] = match[1]
    return listed
