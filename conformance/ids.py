"""Which cases there are: their ids, which are their paths, and the globs that choose among them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from conformance.strict_yaml import BadInput, Problem

NAME = re.compile(r"[\w.+-]+(/[\w.+-]+)*")
ODD = "a case's path has letters, digits and _ . + - only; rename the file or its folder"


def find(root: Path, globs: tuple[str, ...] = ()) -> list[str]:
    """The ids of the cases below a folder, sorted; with globs, those that one of them matches.

    A glob is matched against the whole id, and against its beginning folder by folder: `freeze` means `freeze/*`.
    """
    ids = sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))
    if not globs:
        return ids
    return [name for name in ids if any(fnmatchcase(name, glob) or fnmatchcase(name, glob + "/*") for glob in globs)]


def matching(root: Path, globs: tuple[str, ...]) -> list[str]:
    """The ids that match; BadInput for a filter that matches nothing, and for a folder without cases."""
    for glob in globs:
        if not find(root, (glob,)):
            raise BadInput([Problem(str(root), 1, 1, f"no case matches {glob!r}; `conformance list cases` shows all")])
    ids = find(root, globs)
    odd = [Problem(str(root / name), 1, 1, ODD) for name in ids if not NAME.fullmatch(name)]
    if odd:
        raise BadInput(odd)
    if not ids:
        raise BadInput([Problem(str(root), 1, 1, "there is no case (*.yaml) in this folder")])
    return ids
