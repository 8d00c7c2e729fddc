"""What the loader says of a bad case: file, line, column, what is wrong, what to write instead."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from helpers import HEAD

from conformance.case import schema
from conformance.ids import find
from conformance.load import digest, load
from conformance.places import cases as corpus
from conformance.strict_yaml import BadInput, parse

GOOD = (
    HEAD
    + """\
data:
  batch: [[1], [5]]
  up: [[1], [0]]
steps:
  - train: batch
    expect: {moving_mean: [0.3]}
  - call: batch
    training: true
  - save: before
  - restore: before
    into: fresh
  - backward: batch
    upstream: up
    training: true
"""
)

BAD = [
    ("momentum: 0.9", "momentm: 0.9", "5:22: unknown key 'momentm'; did you mean 'momentum'?"),
    ("title:", "colour:", "1:1: unknown key 'colour'; known here: title, question, answer"),
    ("momentum: 0.9", "momentum: 1.5", "5:22: momentum is 1.5; it should be less than or equal to 1"),
    ("momentum: 0.9", "momentum: -0.1", "5:22: momentum is -0.1; it should be greater than or equal to 0"),
    ("momentum: 0.9", "momentum: .nan", "5:22: momentum is nan; it should be"),
    ("epsilon: 0.001", "epsilon: -1", "5:37: epsilon is -1; it should be greater than or equal to 0"),
    ("epsilon: 0.001", "epsilon: 1e-3", "5:46: YAML does not read 1e-3 as a number everywhere; write 0.001"),
    ("epsilon: 0.001", "trainable: off", "5:48: YAML reads off as a truth value; write true or false"),
    (", epsilon: 0.001", "", "5:1: the key 'epsilon' is missing here"),
    ("features: 1", "features: 1, features: 2", "5:22: the key 'features' is given twice here"),
    ("features: 1", "features: '1'", "5:9: features must be a whole number, not the text '1'"),
    ("features: 1", "features: 2", "10:5: the last axis of batch is 1; it must be 2, the features"),
    ("features: 1", "features: 1, gamma: [1, 2]", "5:22: gamma must have 1 numbers, one for each feature"),
    ("features: 1", "features: 1, scale: false, gamma: [1]", "5:36: the layer has no gamma: scale is false"),
    ("[[1], [5]]", "[[1], [5, 6]]", "7:16: ragged array: here is a list of 2, before it a list of 1"),
    ("[[1], [5]]", "[[1], [x]]", "7:17: 'x' is not a number"),
    ("[[1], [5]]", "[[1], [true]]", "7:17: True is not a number"),
    ("[[1], [5]]", "{random_state: 1, normal: [2, 1], scle: 2}", "7:44: unknown key 'scle'; did you mean 'scale'?"),
    ("[[1], [5]]", "{random_state: 1}", "7:3: write either `normal: shape` or `uniform: shape`"),
    ("[[1], [5]]", "{dot: up, weights: [[1], [2]]}", "7:3: `weights` must be a matrix with a row for each column"),
    ("[[1], [5]]", "{dot: upp, weights: [[1]]}", "7:11: there is no data named 'upp'; there is batch, up"),
    ("train: batch", "train: btch", "10:5: there is no data named 'btch'; there is batch, up"),
    ("train: batch", "trian: batch", "10:5: a step needs exactly one of the keys train, predict"),
    ("train: batch", "train: batch\n    predict: batch", "10:5: a step needs exactly one of the keys train"),
    ("train: batch", "train: batch\n    mask: up", "11:5: up has the shape (2, 1); it must have (2,)"),
    ("moving_mean: [0.3]", "moving_men: [0.3]", "11:14: there is no 'moving_men' here; there is output, moving_mean"),
    ("moving_mean: [0.3]", "moving_mean: 0.3", "11:14: moving_mean has the shape (); it must have (1,)"),
    ("expect: {", "otherwise: [{dialect: {variance: both}}]\n    expect: {", "11:18: knob 'variance' cannot be 'both'"),
    ("expect: {", "otherwise: [{dialect: {varance: x}}]\n    expect: {", "11:18: there is no knob 'varance'"),
    ("training: true\n  - save", "training: maybe\n  - save", "13:5: training must be true or false, not the text"),
    ("restore: before", "restore: after", "15:5: nothing was saved as 'after' before this step"),
    ("into: fresh", "into: stale", "16:5: into is the text 'stale'; it must be 'fresh' or 'same'"),
    ("into: fresh", "into: fresh\n    omit: [gama]", "17:12: there is no 'gama'; there is moving_mean"),
    ("upstream: up", "upstream: batch2", "18:5: there is no data named 'batch2'"),
    ("- save: before", "- freeze: {of: nobody}\n  - save: before", "14:14: there is no 'nobody'; write layer, model"),
    (
        "- save: before",
        "- set: {gamma: [1, 2]}\n  - save: before",
        "14:11: gamma has the shape (2,); it must have (1,)",
    ),
    ("https://arxiv", "htps://arxiv", "4:11: the text 'htps://arxiv.org/abs/1502.03167' does not fit the pattern"),
    ("steps:", "steps: []\nstep:", "10:1: unknown key 'step'; did you mean 'steps'?"),
    ("layer: {", "network: [{activation: tanh}]\nlayer: {", "1:1: write either `layer` or `network`"),
]


def bad(tmp_path: Path, text: str) -> list[str]:
    """What the loader says of a text, without the file's name."""
    file = tmp_path / "case.yaml"
    file.write_text(text)
    with pytest.raises(BadInput) as refused:
        load(file)
    return [str(problem).removeprefix(f"{file}:") for problem in refused.value.problems]


@pytest.mark.parametrize(("old", "new", "message"), BAD, ids=[new[:40] for _, new, _ in BAD])
def test_says_where_what_and_what_instead(tmp_path, old, new, message):
    """One thing wrong in a good case is found at its place."""
    assert old in GOOD
    assert bad(tmp_path, GOOD.replace(old, new, 1))[0].startswith(message)


def test_says_everything_that_is_wrong(tmp_path):
    """Two independent problems are told in one go, in the order of the file."""
    text = GOOD.replace("features: 1", "features: x").replace("into: fresh", "into: stale")
    assert ["5:9", "16:5"] == [message[: message.index(": ")] for message in bad(tmp_path, text)]


def test_not_utf8(tmp_path):
    """A file in another encoding is told with the place of the byte."""
    file = tmp_path / "case.yaml"
    file.write_bytes(GOOD.replace("A claim", "Ein Schlüssel").encode("latin-1"))
    with pytest.raises(BadInput, match=r":1:16: byte 0xfc is not UTF-8; save the file as UTF-8"):
        load(file)


def test_file_that_is_not_there(tmp_path):
    """A missing file is a problem like any other."""
    with pytest.raises(BadInput, match="cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml")


def test_network_problems(tmp_path):
    """The parts of a network fit together."""
    network = (
        "network: [{dense: {name: a, kernel: [[1, 2]]}}, {batch_norm: {name: a, features: 3, momentum: 1, epsilon: 1}}]"
    )
    text = GOOD.replace("layer: {features: 1, momentum: 0.9, epsilon: 0.001}", network)
    said = bad(tmp_path, text)
    assert "5:63: the name 'a' is taken; every entry has its own, and none is `layer` or `model`" == said[0]
    assert "5:50: takes 3 features, but what stands before it gives 2" == said[1]


def test_data_are_drawn_from_the_frozen_stream(tmp_path):
    """The numbers of numpy.random.seed(1); randn(3, 5) * 5 + 0.3, and what follows them in the same stream."""
    file = tmp_path / "case.yaml"
    drawn = "{random_state: 1, normal: [3, 1], scale: 5, shift: 0.3}"
    later = "{random_state: 1, normal: [3, 1], skip: 3}"
    file.write_text(GOOD.replace("[[1], [5]]", drawn).replace("[[1], [0]]", later))
    np.random.seed(1)
    expected = (np.random.randn(3, 1) * 5 + 0.3).astype(np.float32)
    case = load(file)
    np.testing.assert_array_equal(expected, case.data["batch"])
    np.testing.assert_array_equal(np.random.randn(3, 1).astype(np.float32), case.data["up"])


def test_schema_is_published_and_fits_every_case():
    """Editors read the schema that lies with the cases; every case passes it, and a typo does not."""
    published = json.loads((corpus() / "schema.json").read_text())
    assert schema() == published
    validator = jsonschema.Draft202012Validator(published)
    for case_id in find(corpus()):
        content = parse((corpus() / f"{case_id}.yaml").read_text(), case_id).content
        assert [] == list(validator.iter_errors(content))
    assert list(validator.iter_errors({**parse(GOOD, "f").content, "titel": "x"}))


def test_every_case_names_the_schema_for_editors():
    """The first line of a case points from its folder to the schema."""
    for case_id in find(corpus()):
        first = (corpus() / f"{case_id}.yaml").read_text().partition("\n")[0]
        assert "# yaml-language-server: $schema=" + "../" * case_id.count("/") + "schema.json" == first


def test_what_is_said_about_a_case_does_not_change_its_digest():
    """An observation holds as long as a case asks the same."""
    asked = {"data": {"batch": [[1.0]]}, "steps": [{"train": "batch"}]}
    assert digest(asked) == digest(asked | {"steps": [{"train": "batch", "expect": {"output": [[0.0]]}}]})
    assert digest(asked) != digest(asked | {"steps": [{"train": "batch", "training": False}]})
    assert digest(asked) == digest(asked | {"title": "A claim", "answer": "Yes.", "statements": ["NORM-1"]})
    assert digest(asked) != digest(asked | {"data": {"batch": [[2.0]]}})
