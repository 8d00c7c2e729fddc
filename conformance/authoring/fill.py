"""Literals for a case, from exact arithmetic, written into its text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance.authoring.canonical import WIDTH, inline, printed
from conformance.authoring.files import write
from conformance.authoring.literals import Literals, disagreeing, literals
from conformance.authoring.spell import spelled
from conformance.authoring.tree import Item, Node, Tree, grow
from conformance.authoring.wishes import Wish, wishes
from conformance.case import Case
from conformance.load import build, decode, read
from conformance.margins import LEAST
from conformance.strict_yaml import BadInput, Document, Problem, parse


def filled(text: str, file: str) -> str:
    """The text with all literals that it asks for, in its canonical form; BadInput where one that is there is wrong."""
    document = parse(text, file)
    wanted, asked = wishes(document)
    case = build(asked, file)
    problems = list(disagreeing(case, document))
    tree = grow(text)
    for wish in reversed(wanted):  # so that the numbers of the entries before it stay
        try:
            _fulfil(tree, wish, case, document)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(sorted(problems, key=lambda problem: (problem.line, problem.column)))
    made = printed(tree)
    _, asked = wishes(parse(made, file))
    wrong = list(disagreeing(build(asked, file), asked))
    if wrong or grow(text).comments() != grow(made).comments():
        raise BadInput([Problem(file, 1, 1, "cannot be filled in (a fault of ours)"), *wrong])
    return made


def fill_files(paths: Sequence[Path]) -> list[tuple[Path, bool]]:
    """Write the literals that files ask for into all of them, or into none; which have changed."""
    made, problems = dict[Path, tuple[str, str]](), list[Problem]()
    for file in paths:
        try:
            text = decode(read(file), str(file))
            made[file] = text, filled(text, str(file))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    for file, (before, after) in made.items():
        if before != after:
            write(file, after)
    return [(file, before != after) for file, (before, after) in made.items()]


def _fulfil(tree: Tree, wish: Wish, case: Case, document: Document) -> None:
    """Put literals into the tree."""
    found = [(changes, literals(wish, changes, case, document)) for changes in wish.dialects]
    if wish.other is None:
        _expect(tree.at("steps", wish.step), found[0][1], case)
        return
    others = tree.at("steps", wish.step, "otherwise")
    others.flow = False
    old = others.entries[wish.other]
    told = [(changes, numbers) for changes, numbers in found if numbers]
    if not told:
        message = f"this changes nothing here by {LEAST:g} bounds; name the quantities that stay as they are"
        raise BadInput([document.problem(wish.place, message)])
    if not wish.open:
        _merge(old.value, told[0][1], case)
        return
    new = [Item(_entry(changes, numbers, case)) for changes, numbers in told]
    new[0].above, new[0].behind = [*old.above, *old.value.comments()], old.behind
    others.entries[wish.other : wish.other + 1] = new


def _entry(changes: dict[str, str], numbers: Literals, case: Case) -> Node:
    """A new entry of `otherwise`."""
    dialect = Node.mapping({knob: Node.scalar(value) for knob, value in changes.items()})
    node = Node.mapping({"dialect": dialect})
    _merge(node, numbers, case)
    return node


def _expect(step: Node, numbers: Literals, case: Case) -> None:
    """Literals under `expect` of a step."""
    if not numbers:
        return
    item = next((item for item in step.entries if item.key and item.key.value == "expect"), None)
    if item is None:
        item = Item(Node.mapping({}), Node.scalar("expect"))
        step.entries.append(item)
    elif item.value.items is None:
        item.value = Node.mapping({})
    _merge(item.value, numbers, case)


def _merge(node: Node, numbers: Literals, case: Case) -> None:
    """Give the keys of a mapping values; those that it lacks come last. What no longer fits on a line is opened."""
    there = {item.key.value: item for item in node.entries if item.key}
    for name, value in numbers.items():
        made = _node(value, case.text.dtype)
        if name in there:
            there[name].value = made
        else:
            node.entries.append(Item(made, Node.scalar(name)))
    node.flow = node.flow and len(inline(node)) + len("    expect: ") <= WIDTH


def _node(value: Any, dtype: str) -> Node:
    if isinstance(value, list):
        return Node.sequence([_node(item, dtype) for item in value])
    return Node.scalar("true" if value is True else spelled(value, dtype))
