"""A YAML file as a tree that has its comments, and every scalar as the author spelled it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from conformance.strict_yaml import Loader


@dataclass(slots=True)
class Node:
    """A scalar, a mapping or a list, and the characters of the file from `start` to `end` that it was read from."""

    start: int
    end: int
    source: str
    flow: bool = False
    is_list: bool = False
    style: str = ""
    value: str = ""
    items: list[Item] | None = None

    @classmethod
    def scalar(cls, text: str) -> Node:
        """A plain scalar that was in no file."""
        return cls(0, 0, text, value=text)

    @classmethod
    def sequence(cls, nodes: list[Node]) -> Node:
        """A list in flow style that was in no file."""
        return cls(0, 0, "", flow=True, is_list=True, items=[Item(node) for node in nodes])

    @classmethod
    def mapping(cls, nodes: dict[str, Node]) -> Node:
        """A mapping in flow style that was in no file."""
        return cls(0, 0, "", flow=True, items=[Item(node, cls.scalar(key)) for key, node in nodes.items()])

    @property
    def entries(self) -> list[Item]:
        """The items; a scalar has none."""
        return [] if self.items is None else self.items

    def comments(self) -> list[str]:
        """Every comment inside."""
        return [comment for item in self.entries for comment in item.comments()]


@dataclass(slots=True)
class Item:
    """An entry of a mapping or of a list, with the comments that belong to it."""

    value: Node
    key: Node | None = None
    above: list[str] = field(default_factory=list)  # lines of their own before it
    head: str = ""  # behind the colon of its key
    inside: list[str] = field(default_factory=list)  # lines of their own between its key and its value
    behind: str = ""  # at the end of its line

    @property
    def start(self) -> int:
        """Where it begins."""
        return (self.key or self.value).start

    def comments(self) -> list[str]:
        """Its own comments, and those inside its value."""
        own = [*self.above, self.head, *self.inside, self.behind]
        return [comment for comment in own if comment] + self.value.comments()


@dataclass(slots=True)
class Tree:
    """A document, and the comments after its last line."""

    root: Node
    tail: list[str]

    def comments(self) -> list[str]:
        """Every comment, sorted."""
        return sorted(self.root.comments() + self.tail)

    def at(self, *place: str | int) -> Node:
        """The value at a place that is there."""
        node = self.root
        for part in place:
            items = node.entries
            node = items[part].value if isinstance(part, int) else _named(items, part)
        return node


def _named(items: list[Item], key: str) -> Node:
    return next(item.value for item in items if item.key and item.key.value == key)


def grow(text: str) -> Tree:
    """The tree of a document that `strict_yaml.parse` accepts."""
    root = _node(yaml.compose(text, Loader), text)
    items, tail = list(_walk(root)), list[str]()
    for start, comment in _comments(text, root):
        before = text[text.rfind("\n", 0, start) + 1 : start]
        if not _behind(before, start, comment, items, text):
            _alone(start, comment, items, tail)
    return Tree(root, tail)


def _node(node: Any, text: str) -> Node:
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.ScalarNode):
        source = text[start:end].rstrip()
        return Node(start, start + len(source), source, style=node.style or "", value=node.value)
    is_list = isinstance(node, yaml.SequenceNode)
    if not is_list:
        items = [Item(_node(value, text), _node(key, text)) for key, value in node.value]
    else:
        items = [Item(_node(value, text)) for value in node.value]
    end = end if node.flow_style else items[-1].value.end
    return Node(start, end, text[start:end], flow=bool(node.flow_style), is_list=is_list, items=items)


def _walk(node: Node) -> Iterator[Item]:
    """Every item, in the order of the file, what encloses before what is enclosed."""
    for item in node.entries:
        yield item
        yield from _walk(item.value)


def _comments(text: str, root: Node) -> Iterator[tuple[int, str]]:
    """Where each comment begins, and the comment. What looks like one inside a scalar is none."""
    scalars = [node for item in _walk(root) for node in (item.key, item.value) if node and node.items is None]
    scalars.sort(key=lambda node: node.start)
    position, passed = 0, 0
    while found := re.compile(r"(?:(?<=\s)|^)#.*", re.MULTILINE).search(text, position):
        while passed < len(scalars) and scalars[passed].end <= found.start():
            passed += 1
        if passed < len(scalars) and scalars[passed].start <= found.start():
            position = scalars[passed].end
            continue
        yield found.start(), found.group().rstrip()
        position = found.end()


def _behind(before: str, start: int, comment: str, items: list[Item], text: str) -> bool:
    """A comment at the end of a line belongs to the innermost item that ends there, or to the key before it."""
    if not before.strip():
        return False
    end = len(text[:start].rstrip())
    end = len(text[: end - 1].rstrip()) if text[end - 1] == "," else end
    owners = [item for item in items if item.value.end == end and item.value.start < end]
    keys = [item for item in items if item.key and text[item.key.end : end].strip() == ":" and item.key.end < end]
    if owners and not owners[-1].behind:
        owners[-1].behind = comment
    elif keys and keys[-1].value.items is not None:
        keys[-1].head = comment
    elif keys:
        keys[-1].behind = comment
    return bool(owners or keys)


def _alone(start: int, comment: str, items: list[Item], tail: list[str]) -> None:
    """A comment on a line of its own belongs to what follows."""
    around = [item for item in items if item.key and item.key.end <= start < item.value.start]
    after = next((item for item in items if item.start > start), None)
    (around[-1].inside if around else after.above if after else tail).append(comment)
