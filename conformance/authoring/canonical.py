"""The canonical form of a case file.

Keys stand in the order of the types. What the author wrote in block style stays so, and what holds a comment gets it;
a flow collection stands on one line where it fits, and else on lines of its own, filled, but for a matrix, whose rows
stay where the author put them. Numbers and words stay as they are spelled; quotes are double.
"""

from __future__ import annotations

import itertools

from conformance.authoring.order import Place, order
from conformance.authoring.tree import Item, Node, Tree, grow
from conformance.strict_yaml import BadInput, Problem, parse

WIDTH = 120
BLOCK = ("data", "network", "sources", "steps")  # and each step


def canonical(text: str, file: str) -> str:
    """The text of a case in its canonical form; BadInput where it is no YAML that we read."""
    before = parse(text, file)
    tree = grow(text)
    made = printed(tree)
    same = repr(_sorted(before.content)) == repr(_sorted(parse(made, file).content))
    if not same or grow(text).comments() != grow(made).comments():
        raise BadInput([Problem(file, 1, 1, "cannot be formatted: that would change what it says (a fault of ours)")])
    return made


def printed(tree: Tree) -> str:
    """A tree as text, in the canonical form."""
    _arrange(tree.root, ())
    return "\n".join([*_block(tree.root, 0), *tree.tail]) + "\n"


def _sorted(content: object) -> object:
    """Content without the order of its keys; repr tells 1 from 1.0 and knows NaN."""
    if isinstance(content, dict):
        return sorted((key, _sorted(value)) for key, value in content.items())
    return [_sorted(value) for value in content] if isinstance(content, list) else content


def _arrange(node: Node, place: Place) -> None:
    """Put the keys in order and choose the style of everything."""
    named = {item.key.value: item for item in node.entries if item.key}
    if named:
        node.items = [named[key] for key in order(place, list(named))]
    wide = not place or (len(place) == 1 and place[0] in BLOCK) or (len(place) == 2 and place[0] == "steps")
    node.flow = node.flow and not node.comments() and not (wide and node.entries)
    for index, item in enumerate(node.entries):
        _arrange(item.value, (*place, item.key.value if item.key else index))
        one_line = "\n" not in item.value.source
        if (
            item.behind and item.value.entries and not item.value.flow and one_line
        ):  # behind all of it, not its last item
            item.above, item.behind = [*item.above, item.behind], ""


def _block(node: Node, indent: int) -> list[str]:
    one = _bullet if node.is_list else _entry
    return [line for item in node.entries for line in one(item, indent)]


def _bullet(item: Item, indent: int) -> list[str]:
    """An item of a list: its first line begins with a dash."""
    lines = _value(item.value, indent + 2)
    above = [comment.strip() for comment in item.above]
    while lines[0].lstrip().startswith("#"):
        above.append(lines.pop(0).strip())
    lines[0] = f"{' ' * indent}- {lines[0].lstrip()}"
    return _with(above, lines, item.behind, indent)


def _entry(item: Item, indent: int) -> list[str]:
    """An item of a mapping."""
    assert item.key is not None
    start = f"{' ' * indent}{item.key.source}:"
    value = item.value
    if value.items is None:
        return _with(item.above, _scalar(item.key.value, value, start, indent + 2), item.behind, indent)
    line = f"{start} {inline(value)}"
    if value.flow and not (item.head or item.inside or _rows(value)) and len(line) <= WIDTH:
        return _with(item.above, [line], item.behind, indent)
    inside = [" " * (indent + 2) + comment for comment in item.inside]
    lines = [start + ("  " + item.head if item.head else ""), *inside, *_value(value, indent + 2)]
    return _with(item.above, lines, item.behind, indent)


def _with(above: list[str], lines: list[str], behind: str, indent: int) -> list[str]:
    """Lines with their comments; one that does not fit behind the last line goes above the first."""
    fits = len(lines[-1]) + 2 + len(behind) <= WIDTH
    moved = [behind] if behind and not fits else []
    last = f"{lines[-1]}  {behind}" if behind and fits else lines[-1]
    return [*(" " * indent + comment for comment in (*above, *moved)), *lines[:-1], last]


def _value(node: Node, indent: int) -> list[str]:
    """A value on lines of its own."""
    if node.items is None:
        return _scalar("", node, "", indent)
    if not node.flow:
        return _block(node, indent)
    line = " " * indent + inline(node)
    return [line] if len(line) <= WIDTH and not _rows(node) else _broken(node, " " * indent)


def _rows(node: Node) -> list[bool]:
    """For each item of a matrix but the first, whether its author began a line with it; else nothing."""
    items = node.entries
    if not node.flow or not node.is_list or not all(item.value.items for item in items):
        return []
    gaps = [node.source[a.value.end - node.start : b.start - node.start] for a, b in itertools.pairwise(items)]
    return ["\n" in gap for gap in gaps] if any("\n" in gap for gap in gaps) else []


def _broken(node: Node, start: str) -> list[str]:
    """A flow collection over several lines: each full, but for the rows of a matrix."""
    lines = _filled(node, start, _rows(node))
    return lines if max(map(len, lines)) <= WIDTH else _filled(node, start, [])


def _filled(node: Node, start: str, rows: list[bool]) -> list[str]:
    """The items behind an opening bracket, each further line one column to the right of it."""
    opening, closing = "[]" if node.is_list else "{}"
    column = len(start) + 1
    lines = [start + opening]
    for index, item in enumerate(node.entries):
        piece = _piece(item) + (closing if index == len(node.entries) - 1 else ",")
        if index:
            full = len(lines[-1]) + 1 + len(piece) > WIDTH
            lines += [" " * column] if (rows[index - 1] if rows else full) else []
            lines[-1] += " " if lines[-1].strip() else ""
        if len(lines[-1]) + len(piece) > WIDTH and item.value.entries:
            nested = _broken(item.value, lines[-1] + piece[: len(piece) - 1 - len(inline(item.value))])
            lines[-1:] = [*nested[:-1], nested[-1] + piece[-1]]
        else:
            lines[-1] += piece
    return lines


def _piece(item: Item) -> str:
    return f"{_word(item.key)}: {inline(item.value, item.key.value)}" if item.key else inline(item.value)


def inline(node: Node, key: str = "") -> str:
    """A value on one line."""
    if node.items is None:
        return _word(node, key)
    opening, closing = "[]" if node.is_list else "{}"
    return opening + ", ".join(map(_piece, node.entries)) + closing


def _word(node: Node, key: str = "") -> str:
    """A scalar in one line, with double quotes if any; quotations have them always."""
    if node.style == '"' and "\n" not in node.source:
        return node.source
    if node.style or key == "says":
        escaped = node.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return node.value


def _scalar(key: str, node: Node, start: str, indent: int) -> list[str]:
    """A scalar behind its key; long plain text goes on in further lines, and a folded block keeps its lines."""
    if node.style in ("|", ">"):
        head, *lines = node.source.split("\n")
        first = next((len(line) - len(line.lstrip()) for line in lines if line.strip()), 0)
        return [f"{start} {head}", *((" " * indent + line[first:]).rstrip() for line in lines)]
    word = _word(node, key)
    lines = [f"{start} {word}".rstrip() if start else " " * indent + word]
    while not node.style and len(lines[-1]) > WIDTH and "  " not in node.value:
        cut = lines[-1].rfind(" ", indent + 1, WIDTH + 1)
        if cut <= max(indent, len(start) if len(lines) == 1 else indent):
            break
        lines[-1:] = [lines[-1][:cut], " " * indent + lines[-1][cut + 1 :]]
    return lines
