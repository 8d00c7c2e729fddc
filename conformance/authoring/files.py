"""Case files that commands write: which, and all of a file or nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conformance.authoring.canonical import canonical
from conformance.case import Text
from conformance.load import decode, read, validate
from conformance.strict_yaml import BadInput, Problem, parse


def case_files(paths: Sequence[Path], root: Path) -> list[Path]:
    """The files named and those in the folders named; without any, those of the whole corpus."""
    return [file for path in paths or (root,) for file in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path])]


def format_files(files: Sequence[Path], *, check: bool) -> list[Path]:
    """Write what is not in its canonical form yet, unless this is only a check; the files that were not."""
    problems, changed = list[Problem](), list[Path]()
    for file in files:
        try:
            text = text_of(file)
            made = canonical(text, str(file))
        except BadInput as error:
            problems += error.problems
            continue
        if made != text:
            changed.append(file)
            if not check:
                write(file, made)
    if problems:
        raise BadInput(problems)
    return changed


def text_of(file: Path) -> str:
    """The text of a case; BadInput if it has not the form of one."""
    text = decode(read(file), str(file))
    validate(parse(text, str(file)), Text)
    return text


def write(file: Path, text: str) -> None:
    """Replace a file as a whole, or leave it as it is."""
    try:
        mode = file.stat().st_mode if file.exists() else 0o644
        with tempfile.NamedTemporaryFile("w", dir=file.parent, encoding="utf-8", newline="\n", delete=False) as other:
            other.write(text)
        Path(other.name).chmod(mode)
        os.replace(other.name, file.resolve())  # noqa: PTH105 - the target of a link, not the link
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise BadInput([Problem(str(file), 1, 1, message)]) from None
