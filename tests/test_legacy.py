"""The questions on TensorFlow 1.15.5, one of those that they were asked on, where Python 3.7 is there."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_environments import build

from conformance import cli, known, places, report
from conformance.corpus import select

PINS = configparser.ConfigParser(interpolation=None)
PINS.read(Path(__file__).parent.parent / "tox.ini", encoding="utf-8")
REQUIREMENTS = ["tensorflow==1.15.5", *PINS["pins"]["python37"].split()]
PRINTED = "questions/unexpected_output/training_with_seed_0"  # whose numbers stand in the question


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> str:
    """An interpreter that has TensorFlow 1.15.5, and nothing of ours."""
    if build.find("3.7") is None:
        pytest.skip("there is no Python 3.7 here, which TensorFlow 1.15 needs")
    folder = tmp_path_factory.mktemp("framework") / "environment"
    assert "" == build.build(folder, "3.7", REQUIREMENTS)
    return str(folder / "bin" / "python")


def test_the_questions_are_answered_on_a_version_of_their_time(python, tmp_path):
    """Keras and tf.layers do what the suite's list of known divergences says of them, and nothing else."""
    words = ["keras_v2", "tensorflow_v1", "--mode", "functional", "--mode", "update_ops", "--case", "questions/*"]
    result = CliRunner().invoke(cli.main, ["run", *words, "--python", python, "-o", str(tmp_path)])
    assert cli.GREEN == result.exit_code, result.output
    excuses = known.load(places.adapters() / "known.yaml")
    columns = report.build(
        select(places.cases(), ("questions/*",)), report.run_files(tmp_path / "runs"), excuses
    ).columns
    assert {"keras_v2[functional]", "tensorflow_v1[update_ops]"} == {column.target.label for column in columns}
    assert {"1.15.5"} == {column.run.header.provenance["versions"]["tensorflow"] for column in columns}
    assert all(column.results[PRINTED].verdict in ("conforms", "known") for column in columns)
