"""The list of known divergences is strict: in what it says, in what it matches, and in what is no longer seen."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT

from conformance import known, known_update, report
from conformance.adapters import names
from conformance.cli import main
from conformance.corpus import select
from conformance.ids import find
from conformance.places import adapters, cases
from conformance.runs import Target
from conformance.strict_yaml import BadInput
from conformance.versions import within
from conformance.wire import encode
from reports import made, report_of, seen

OWN = adapters() / "known.yaml"
RUNS = ROOT / "reports" / "runs"
TORCH = Target("torch_nn", "module", "torch", "2.13.0+cpu")


@pytest.mark.parametrize(
    ("version", "wanted", "inside"),
    [
        ("2.13.0+cpu", ">=2.4,<3", True),
        ("2.13.0+cpu", "<2.4", False),
        ("3.0rc1", ">=3", True),
        ("2.4", "==2.4.0", True),
        ("2.4.1", "!= 2.4, > 2", True),
        ("2.4.1", "<=2.4.0", False),
        ("unknown", ">=0.1", False),
    ],
)
def test_versions_are_compared_number_by_number(version, wanted, inside):
    """2.13 is newer than 2.4."""
    assert inside == within(version, wanted)


def entry(**changed):
    """An entry about a case of one target."""
    given = {"target": "torch_nn[*", "case": "restore/*", "reason": "It is so on purpose."}
    return known.Entry.model_validate({**given, **changed})


def test_an_entry_speaks_of_its_versions_only():
    """What was mended in 3.0 is not excused there."""
    assert entry(versions=">=2,<3").matches(TORCH, "restore/x")
    assert not entry(versions=">=3").matches(TORCH, "restore/x")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("reason: TODO", "k.yaml:4:5: write in place of TODO why this is so"),
        ("reason: TODO  # variance = sample", "k.yaml:4:5: write in place of TODO why this is so"),
        ("{reason: It is so on purpose., versions: 2.4}", "versions must be text, not 2.4"),
        ("{reason: It is so on purpose., versions: 'about 2'}", "'about 2' does not fit the pattern"),
    ],
)
def test_what_an_entry_says_wrongly_is_refused_with_its_place(line, message, tmp_path):
    """A reason that is still to be written is no reason."""
    path = tmp_path / "k.yaml"
    if line.startswith("{"):
        path.write_text(f"known:\n  - {line.replace('{', '{target: a, case: b, ')}\n")
    else:
        path.write_text(f"known:\n  - target: a\n    case: b\n    {line}\n")
    with pytest.raises(BadInput) as refused:
        known.load(path)
    assert message in str(refused.value)


def test_an_entry_that_no_case_or_adapter_could_be_meant_by_is_told(tmp_path):
    """As the linter does for the suite's own list."""
    path = tmp_path / "k.yaml"
    path.write_text("known:\n  - {target: 'torsh[*', case: nothing/*, reason: It is so on purpose.}\n")
    found = [problem.message for problem in known.lint(path, find(cases()), names())]
    assert ["no case matches 'nothing/*'", "there is no adapter for 'torsh[*'"] == found
    assert [] == known.lint(OWN, find(cases()), names())


def test_every_entry_of_the_own_list_is_needed_and_none_is_missing():
    """Over the committed runs: nothing idle, nothing healed, nothing red that is not listed."""
    result = CliRunner().invoke(main, ["known", str(RUNS)])
    assert 0 == result.exit_code, result.output
    assert len(known.load(OWN)) == len(result.output.splitlines())


def test_an_idle_entry_is_red(tmp_path):
    """One whose target is run, but in another version."""
    listed = tmp_path / "k.yaml"
    listed.write_text("known:\n  - {target: 'torch_nn[*', versions: <2, case: restore/*, reason: It was so once.}\n")
    result = CliRunner().invoke(main, ["known", str(RUNS), "--known", str(listed)])
    assert 1 == result.exit_code
    assert result.output.startswith("IDLE    torch_nn[* <2 restore/*: matches nothing that was run\nnot listed: ")


def test_update_takes_off_what_is_healed_and_asks_for_the_reasons_of_what_is_new(tmp_path):
    """Reasons and comments of the others stay as they are; the suite's own list is up to date."""
    (run,) = RUNS.glob("torch_nn-module-*.jsonl")
    columns = report.build(select(cases(), ()), [run], []).columns
    assert OWN.read_text() == known_update.updated(OWN, columns)
    listed = tmp_path / "k.yaml"
    shutil.copy(OWN, listed)
    healed = (
        "  - target: torch_nn[*\n    case: update/moving_mean_step\n    reason: It was so once.\n# about the next\n"
    )
    kept, gone = listed.read_text().split("  - target: torch_nn[module]\n    case: restore/checkpoint_without_gamma\n")
    listed.write_text(kept.replace("known:\n", "known:\n" + healed) + gone.partition("\n")[2])
    assert 0 == CliRunner().invoke(main, ["known", str(run), "--known", str(listed), "--update"]).exit_code
    new = "  - target: torch_nn[module]\n    case: restore/checkpoint_without_gamma\n    reason: TODO  # a restore that"
    assert (new in listed.read_text(), "It was so once" in listed.read_text()) == (True, False)
    assert "# about the next\n  - target: torch_nn[module]\n" in listed.read_text()
    with pytest.raises(BadInput, match="write in place of TODO"):
        known.load(listed)


def test_update_fills_an_empty_list_and_leaves_an_empty_list_where_nothing_is_left(tmp_path):
    """`known: []` takes entries, and a list whose last entry is healed is one that can be read."""
    case, listed = made("some/case"), tmp_path / "k.yaml"
    listed.write_text("known: []  # ours\n")
    red = report_of(tmp_path, [case], (TORCH, [seen(case, moving_mean=encode(np.float32([7])))])).columns
    listed.write_text(known_update.updated(listed, red).replace("TODO", "So it is here."))
    assert [["some/case"]] == [entry.case for entry in known.load(listed)]
    assert listed.read_text().startswith("known:  # ours\n  - target: torch_nn[module]\n")
    green = report_of(tmp_path, [case], (TORCH, [seen(case)])).columns
    listed.write_text(known_update.updated(listed, green))
    assert "known: []  # ours\n" == listed.read_text()
    assert [] == known.load(listed)
