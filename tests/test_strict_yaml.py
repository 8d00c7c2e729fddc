"""What the YAML reader refuses, where, and what it tells the user to write."""

from __future__ import annotations

import pytest

from conformance.strict_yaml import BadInput, parse

REFUSED = [
    ("a: 1e-3", "f:1:4: YAML does not read 1e-3 as a number everywhere; write 0.001"),
    ("a: 1e-9", "f:1:4: YAML does not read 1e-9 as a number everywhere; write 1.0e-09"),
    ("a: 010", "f:1:4: YAML does not read 010 as a number everywhere; write 10"),
    ("a: 1_000", "f:1:4: YAML does not read 1_000 as a number everywhere; write 1000"),
    ("a: off", 'f:1:4: YAML reads off as a truth value; write true or false, or "off" for the word'),
    ("b: 1\na: Yes", 'f:2:4: YAML reads Yes as a truth value; write true or false, or "Yes" for the word'),
    ("a: 12:30", 'f:1:4: YAML reads 12:30 as int; put it in quotes: "12:30"'),
    ("a: 2020-01-01", 'f:1:4: YAML reads 2020-01-01 as timestamp; put it in quotes: "2020-01-01"'),
    ("a: 1\na: 2", "f:2:1: the key 'a' is given twice here; YAML would silently keep the last one"),
    ("a: {b: 1, b: 2}", "f:1:11: the key 'b' is given twice here; YAML would silently keep the last one"),
    ("a: &x [1]\nb: *x", "f:1:4: anchors and aliases (&, *) are not used here; write the value out"),
    ("a: &x 1\nb: *x", "f:1:4: anchors and tags (&, !) are not used here; write the plain value"),
    ("a: *x", "f:1:4: anchors and aliases (&, *) are not used here; write the value out"),
    ("a: !!python/object/apply:os.system [x]", "f:1:4: tags are not used here; remove"),
    ("a: !!int '3'", "f:1:4: anchors and tags (&, !) are not used here; write the plain value"),
    ("", "f:1:1: the file is empty; write at least title, layer, data and steps"),
    ("# only a comment\n", "f:2:1: the file is empty; write at least title, layer, data and steps"),
    ("a: 1\n---\nb: 2", "f:2:1: a second document begins here; write one case in each file"),
    ("1: 2", "f:1:1: a key must be text; put it in quotes if it is meant to be"),
    ("? [1]\n: 2", "f:1:3: a key must be text; put it in quotes if it is meant to be"),
    ("<<: {a: 1}", 'f:1:1: YAML reads << as merge; put it in quotes: "<<"'),
    ("a: [1, 2", "f:2:1: did not find expected ',' or ']' (YAML syntax)"),
    ("\ta: 1", "f:1:1: found character that cannot start any token (YAML syntax)"),
    ("a: x\x00y", "f:1:1: the character U+0000 is not allowed in YAML; remove it"),
    ("[" * 100_000, "f:1:41: nested more than 40 deep"),
    ("a: " + "x" * 5_000_000, "f:1:1: the file has 5,000,003 characters; at most 4,000,000"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[repr(text[:20]) for text, _ in REFUSED])
def test_refuses_with_place_and_remedy(text, message):
    """Every surprise of YAML is refused with file, line, column and what to write instead."""
    with pytest.raises(BadInput) as refused:
        parse(text, "f")
    assert str(refused.value).startswith(message)


def test_bomb_of_aliases_is_refused_at_the_first_anchor():
    """The billion laughs end before the first of them."""
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    with pytest.raises(BadInput, match="f:1:4: anchors and aliases"):
        parse(bomb, "f")


READ = [
    ("a: 0.001", 0.001),
    ("a: 1.0e-3", 0.001),
    ("a: 1.0e+3", 1000.0),
    ("a: -3", -3),
    ("a: true", True),
    ("a: 'off'", "off"),
    ('a: "1e-3"', "1e-3"),
    ("a: plain words", "plain words"),
    ("a: .inf", float("inf")),
    ("a: -.inf", float("-inf")),
    ("a: [[1, 5], [2, 6]]", [[1, 5], [2, 6]]),
    ("a:", None),
]


@pytest.mark.parametrize(("text", "value"), READ, ids=[text for text, _ in READ])
def test_reads_what_every_reader_reads(text, value):
    """Plain YAML means what it says."""
    assert {"a": value} == parse(text, "f").content


def test_marks_say_where_every_value_is():
    """The place of a key is the key's own."""
    document = parse("a:\n  - {b: 1, c: 2}\n", "f")
    assert {
        (): (1, 1),
        ("a",): (1, 1),
        ("a", 0): (2, 5),
        ("a", 0, "b"): (2, 6),
        ("a", 0, "c"): (2, 12),
    } == document.marks
