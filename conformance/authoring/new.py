"""A new case for a person to edit: complete, right, and about nothing yet."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from conformance.authoring.canonical import canonical
from conformance.authoring.fill import filled
from conformance.strict_yaml import BadInput, Problem, parse

_FOLDER = re.compile(r"[a-z0-9_]+\Z")
_TEXT = """\
# yaml-language-server: $schema={up}schema.json
title: {title}
question: What would a user ask who is puzzled by this?
answer: What follows for them.
effect: What a fault would do to a user's model.
statements: [{statements}]
sources:
  - {{url: https://arxiv.org/abs/1502.03167, says: "the few words that decide"}}
layer:
  {{features: {features}, momentum: 0.75, epsilon: 5, gamma: {gamma}, beta: {beta}, moving_mean: {mean},
   moving_variance: {variance}}}
data:
  batch: {batch}  # mean 3, population variance 4, sample variance 8; the root of 4 + 5 is 3
steps:
  - train: batch
    otherwise:
      - dialect: {{variance: sample}}
  - predict: batch
"""


def create(path: Path, root: Path, title: str, statements: Sequence[str], features: int) -> str:
    """Write a new case below the folder of cases; its id."""
    problem = _unfit(path, root)
    if problem:
        raise BadInput([Problem(str(path), 1, 1, problem)])
    inside = path.resolve().relative_to(root.resolve())
    text = _TEXT.format(
        up="../" * (len(inside.parts) - 1),
        title=_text(title),
        statements=", ".join(statements),
        features=features,
        gamma=[12 + 3 * channel for channel in range(features)],
        beta=[-1 + 2 * channel for channel in range(features)],
        mean=[7 - 20 * channel for channel in range(features)],
        variance=[20 + 4 * channel for channel in range(features)],
        batch=[[value + 40 * channel for channel in range(features)] for value in (1, 5)],
    )
    made = canonical(filled(text, str(path)), str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(made)
    except OSError as error:
        raise BadInput([Problem(str(path), 1, 1, f"cannot be written: {error.strerror or error}")]) from None
    return inside.with_suffix("").as_posix()


def _text(text: str) -> str:
    """A text as YAML: in quotes where it would be read as something else without."""
    try:
        same = parse(f"title: {text}", "").content == {"title": text}
    except BadInput:
        same = False
    return text if same else json.dumps(text, ensure_ascii=False)


def _unfit(path: Path, root: Path) -> str:
    """What is wrong with the place of a new case, if anything."""
    here, folder = path.resolve(), root.resolve()
    if not here.is_relative_to(folder) or here.parent == folder:
        return f"a case lies in a folder below {root}: write {root / 'subject' / (path.stem + '.yaml')}"
    if path.suffix != ".yaml":
        return f"a case is a YAML file: write {path.with_suffix('.yaml')}"
    inside = here.relative_to(folder).with_suffix("")
    if wrong := [part for part in inside.parts if not _FOLDER.match(part)]:
        return f"{wrong[0]!r} is part of the case's id, for ever: write small letters, digits and _"
    return "is there already; `conformance fill` fills literals in" if path.exists() else ""
