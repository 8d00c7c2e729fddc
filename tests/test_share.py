"""The modes of an adapter share a process, unless one of them switches something for good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import DEMO, run_faults

from conformance import places, runs
from conformance.corpus import Corpus, select

MODES = ["plain", "for_good", "crashing", "last"]
ADAPTER = """
import os
import sys

sys.path.insert(0, {folder!r})
import numpy_demo

def describe():
    said = numpy_demo.describe()
    return dict(said, modes=dict.fromkeys({modes!r}, {{}}), alone={alone!r})

class Layer(numpy_demo.Layer):
    def __init__(self, layer, mode, workdir):
        with open({log!r}, "a") as log:
            log.write("%s %d %s\\n" % (mode, os.getpid(), workdir))
        if mode == "crashing":
            os.abort()
        super().__init__(layer, mode, workdir)
"""


@pytest.fixture
def cases() -> Corpus:
    """Two cases."""
    corpus = select(places.cases(), ("formula/without_center", "formula/without_scale"))
    corpus.check()
    return corpus


def write(folder: Path, alone: list[str]) -> Path:
    """An adapter whose modes tell in which process and folder they are driven."""
    path = folder / "telling.py"
    path.write_text(ADAPTER.format(folder=str(DEMO.parent), modes=MODES, alone=alone, log=str(folder / "log")))
    return path


def driven(folder: Path) -> dict[str, set[tuple[str, str]]]:
    """The processes, and in them the folders, in which each mode was driven."""
    found: dict[str, set[tuple[str, str]]] = {mode: set() for mode in MODES}
    for line in (folder / "log").read_text().splitlines():
        mode, process, workdir = line.split()
        found[mode].add((process, workdir))
    return found


def test_modes_share_a_process_but_no_folder(tmp_path: Path, cases: Corpus) -> None:
    """The first two are in one process, the third crashes at each case, and the last goes on in a new one."""
    ran = run_faults([write(tmp_path, [])], cases, tmp_path / "out", workers=1)
    processes = {mode: {process for process, _ in places} for mode, places in driven(tmp_path).items()}
    assert processes["plain"] == processes["for_good"]
    assert 1 == len(processes["plain"])
    assert processes["plain"] < processes["crashing"]
    assert [len(cases.ids), 1] == [len(processes[mode]) for mode in ("crashing", "last")]
    assert not processes["last"] & processes["crashing"]
    folders = [folder for places in driven(tmp_path).values() for _, folder in places]
    assert len(set(folders)) == len(folders)
    assert MODES == [runs.read(each.path).header.target.mode for each in ran if each.path]


def test_a_mode_that_wants_to_be_alone_is(tmp_path: Path, cases: Corpus) -> None:
    """Its process has seen no other mode, and sees none after it."""
    run_faults([write(tmp_path, ["for_good"])], cases, tmp_path / "out", workers=1)
    found = {mode: {process for process, _ in places} for mode, places in driven(tmp_path).items()}
    (alone,) = found.pop("for_good")
    assert not any(alone in processes for processes in found.values())


def test_modes_run_side_by_side_where_there_are_places(tmp_path: Path, cases: Corpus) -> None:
    """Two processes share the modes, and every mode is observed whole, once, and told in its order."""
    ran = run_faults([write(tmp_path, [])], cases, tmp_path / "out", workers=2)
    found = driven(tmp_path)
    assert {process for process, _ in found["plain"]} != {process for process, _ in found["for_good"]}
    assert MODES == [runs.read(each.path).header.target.mode for each in ran if each.path]
    answered = {
        each.path: [json.loads(line)["id"] for _, line in runs.read(each.path).raw()] for each in ran if each.path
    }
    assert [list(cases.ids)] * len(MODES) == list(answered.values())


def test_who_wants_to_be_alone_is_a_mode(tmp_path: Path, cases: Corpus) -> None:
    """Anything else is told."""
    (ran,) = run_faults([write(tmp_path, ["elsewhere"])], cases, tmp_path / "out", workers=1)
    assert "alone names a mode that there is not" in ran.reason
