"""The tester tested: adapters that are wrong on purpose turn red at the right step, for the right reason, only there.

Every adapter in `faults/` departs in one place from the right one, `faults/base.py`. It runs through the whole line, on
all cases in `faults/cases/`, and has one line in one of the two tables here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import CASES, DEMO, FAULTS, ROOT, left_behind, once, run_faults

from conformance import process
from conformance.case import Case
from conformance.corpus import Corpus
from conformance.dialect import STANDARD, Dialect
from conformance.explain import explained
from conformance.judge import Result, judge
from conformance.lint import lint
from conformance.run import Ran
from conformance.runs import read
from conformance.slips import SLIPS, sentence

# The steps at which cases turn red: every case by its first step, by its first training step, by its second.
EVERY = "predict:1 train:1 baked:1 call:1 drawn:1 frozen:1 mask:1 omit:1 restore:1"
TRAINING = "train:1 baked:1 call:3 drawn:1 frozen:1 mask:1 omit:1 restore:1"
TRAIN = "train:1 drawn:1 frozen:1 mask:1 omit:1 restore:1"
SECOND = "train:2 baked:2 frozen:6 restore:3"
PREDICT = "predict:1 drawn:2 restore:7"
BIRTH = EVERY.replace(":1", ":0")
UNDRAWN = EVERY.replace("drawn:1 ", "")
NOWHERE = ""


class Fault(NamedTuple):
    """Which cases an adapter turns red, and what they must say: the step, the quantity, the words, the cause.

    Step 0 is none: a process that ends does not say where it was. The cause is a knob or a slip, in the first of the
    cases; without one there must be none that is told.
    """

    name: str
    verdict: str
    red: str
    quantity: str
    what: str
    cause: str = ""


DEPARTS, MISSING, INFINITE = "departs", "is missing", "is not finite"
EXTRA, NO_ARRAY, NO_ANSWER = "is there, but should not be", "is no array of numbers: ", "is no answer to this case: "
DOUBLE, TYPE_ERROR = "has the dtype float64 instead of float32", "step 1 raised TypeError: state() returned NoneType"
FROZEN_CALL, KEPT = "frozen_training_call = ", "missing_statistics = "

# fmt: off
TABLE = [
    # wrong numbers
    Fault("momentum_reversed", "diverges", TRAINING, "moving_mean", DEPARTS, "MomentumReversed"),
    Fault("variance_sample", "diverges", TRAINING, "moving_variance", DEPARTS, "variance = sample"),
    Fault("declares_sample", "diverges", TRAINING, "moving_variance", DEPARTS, "variance = population"),
    Fault("epsilon_outside_root", "diverges", EVERY, "output", DEPARTS, "EpsilonOutside"),
    Fault("epsilon_ignored", "diverges", EVERY, "output", DEPARTS, "EpsilonIgnored"),
    Fault("epsilon_twice", "diverges", EVERY, "output", DEPARTS, "EpsilonTwice"),
    Fault("epsilon_stored", "diverges", TRAINING, "moving_variance", DEPARTS, "EpsilonStored"),
    Fault("beta_ignored", "diverges", UNDRAWN, "output", DEPARTS, "BetaIgnored"),
    Fault("gamma_beta_swapped", "diverges", EVERY, "output", DEPARTS, "GammaBetaSwapped"),
    Fault("predict_updates", "diverges", PREDICT, "moving_mean", DEPARTS, "UpdatesInInference"),
    Fault("predict_uses_batch", "diverges", PREDICT + " frozen:4", "output", DEPARTS, "BatchInInference"),
    Fault("train_never_updates", "diverges", TRAINING, "moving_mean", DEPARTS, "NeverUpdates"),
    Fault("train_updates_once", "diverges", SECOND, "moving_mean", DEPARTS, "UpdatesOnce"),
    Fault("train_updates_twice", "diverges", TRAINING, "moving_mean", DEPARTS, "UpdatesTwice"),
    Fault("train_updates_late", "diverges", TRAINING, "moving_mean", DEPARTS, "UpdatesLate"),
    Fault("train_uses_moving", "diverges", TRAINING, "output", DEPARTS, "MovingInTraining"),
    Fault("statistics_half", "diverges", "drawn:1", "moving_mean", DEPARTS),
    Fault("statistics_shared", "diverges", TRAINING, "moving_mean", DEPARTS, "ChannelsPooled"),
    Fault("statistics_per_place", "diverges", "drawn:1", "output", DEPARTS),
    Fault("mask_ignored", "diverges", "mask:1", "output", DEPARTS, "MaskIgnored"),
    Fault("frozen_trains", "diverges", "frozen:3", "output", DEPARTS, "either " + FROZEN_CALL + "trains"),
    Fault("frozen_updates", "diverges", "frozen:3", "moving_mean", DEPARTS, "FrozenStatisticsMove"),
    Fault("frozen_uses_batch", "diverges", "frozen:3", "output", DEPARTS, FROZEN_CALL + "batch_statistics"),
    Fault("unfreeze_ignored", "diverges", "frozen:6", "output", DEPARTS, "UnfreezeIgnored"),
    Fault("bare_call_trains", "diverges", "call:2", "output", DEPARTS, "bare_call = trains"),
    Fault("baked_flag_overridden", "diverges", "baked:2", "output", DEPARTS, "baked_training = overridden"),
    Fault("restore_forgets_variance", "diverges", "restore:6", "moving_variance", DEPARTS, "VarianceForgotten"),
    Fault("restore_first_checkpoint", "diverges", "restore:6", "moving_mean", DEPARTS, "FirstRestored"),
    Fault("restore_swaps_statistics", "diverges", "restore:6 omit:3", "moving_mean", DEPARTS, "StatisticsSwapped"),
    Fault("restore_only_fresh", "diverges", "restore:9", "moving_mean", DEPARTS, "SameNotRestored"),
    Fault("restore_swaps_layers", "diverges", "network:4", "first.moving_mean", DEPARTS, "LayersSwapped"),
    Fault("save_resets", "diverges", "restore:2 omit:2", "moving_mean", DEPARTS, "SaveResets"),
    Fault("missing_kept", "diverges", "omit:3", "step", "raised no error where", KEPT + "kept"),
    Fault("missing_refused", "errored", "omit:3", "", "step 3 raised KeyError: 'moving_variance'", KEPT + "refused"),
    # wrong in form
    Fault("output_flat", "diverges", EVERY, "output", "has the shape ("),
    Fault("output_double", "diverges", EVERY, "output", DOUBLE),
    Fault("output_big_endian", "diverges", EVERY, "output", NO_ARRAY + "an array of >f4"),
    Fault("output_complex", "diverges", EVERY, "output", NO_ARRAY + "an array of complex64"),
    Fault("output_list", "diverges", EVERY, "output", NO_ARRAY + "list [["),
    Fault("output_none", "diverges", EVERY, "output", "is None"),
    Fault("output_nan", "diverges", EVERY, "output", INFINITE),
    Fault("output_infinite", "diverges", EVERY, "output", INFINITE),
    Fault("state_none", "errored", EVERY, "", TYPE_ERROR),
    Fault("state_empty", "diverges", EVERY, "moving_mean", MISSING),
    Fault("state_double", "diverges", EVERY, "moving_mean", DOUBLE),
    Fault("state_row", "diverges", EVERY, "moving_mean", "has the shape (1, 2) instead of (2,)"),
    Fault("state_frozen_nan", "diverges", "frozen:2", "moving_mean", INFINITE),
    Fault("state_stale", "diverges", SECOND + " call:3", "moving_mean", DEPARTS, "UpdatesOnce"),
    Fault("quantity_missing", "diverges", EVERY, "moving_variance", MISSING),
    Fault("quantity_extra", "diverges", EVERY, "updates", EXTRA),
    Fault("quantity_named_oddly", "diverges", EVERY, 'the "mean" µ\n', EXTRA),
    # raises
    Fault("birth_raises", "errored", BIRTH, "", "when it was built: ValueError: not today"),
    Fault("train_raises", "errored", TRAIN, "", "step 1 raised ValueError: not today"),
    Fault("state_raises", "errored", EVERY, "", "step 1 raised ValueError: nothing to see"),
    Fault("raises_at_length", "errored", "frozen:2", "", "longlong ... (1000000 characters)"),
    Fault("raises_at_a_place", "errored", "frozen:2", "", "/numpy/__init__.py:\n.../lib/"),
    Fault("raises_unprintable", "errored", "frozen:2", "", "step 2 raised Unprintable: its message cannot be read"),
    Fault("unsupported", "unsupported", "frozen:0", "", "has no such flag"),
    Fault("unsupported_at_a_place", "unsupported", "frozen:0", "", "no such flag in .../lib/"),
    # dies
    Fault("aborts", "crashed", "frozen:0", "", "ended by SIGABRT\nabout to abort\nFatal Python error: Aborted"),
    Fault("segfaults", "crashed", "frozen:0", "", "ended by SIGSEGV\nFatal Python error: Segmentation fault"),
    Fault("killed_by_nameless_signal", "crashed", "frozen:0", "", "the process was ended by "),
    Fault("exits", "crashed", "frozen:0", "", "the process ended with exit status 0"),
    Fault("exits_politely", "crashed", "frozen:0", "", "the process ended with exit status 3"),
    Fault("interrupts", "crashed", "frozen:0", "", "KeyboardInterrupt"),
    Fault("prints_and_dies", "crashed", "frozen:0", "", "exit status 7\nthese are my last words"),
    Fault("half_line", "crashed", "frozen:0", "", "exit status 0, in the middle of its answer"),
    Fault("closes_everything", "crashed", "frozen:0", "", "OSError"),
    Fault("dies_and_leaves_child", "crashed", "frozen:0", "", "the process ended with exit status 9"),
    Fault("dies_and_leaves_daemon", "crashed", "frozen:0", "", "the process ended with exit status 9"),
    # hangs
    Fault("hangs", "hung", "frozen:0", "", "no answer within 2 s\nFatal Python error: Aborted"),
    Fault("hangs_deaf", "hung", "frozen:0", "", "no answer within 2 s"),
    Fault("hangs_half_line", "hung", "frozen:0", "", "no answer within 2 s"),
    # says what it should not
    Fault("garbage", "errored", "frozen:0", "", NO_ANSWER + r"b'\xff\xfe progress: 50 %\n'"),
    Fault("garbage_object", "errored", "frozen:0", "", NO_ANSWER),
    Fault("garbage_other", "errored", "frozen:0", "", NO_ANSWER),
    Fault("answer_too_long", "errored", "frozen:0", "", "the answer is longer than 1,048,576 bytes"),
    # does no harm
    Fault("base", "conforms", NOWHERE, "", ""),
    Fault("prints", "conforms", NOWHERE, "", ""),
    Fault("prints_protocol", "conforms", NOWHERE, "", ""),
    Fault("prints_megabytes", "conforms", NOWHERE, "", ""),
    Fault("reads_stdin", "conforms", NOWHERE, "", ""),
    Fault("mutates_input", "conforms", NOWHERE, "", ""),
    Fault("mutates_settings", "conforms", NOWHERE, "", ""),
    Fault("returns_itself", "conforms", NOWHERE, "", ""),
    Fault("changes_folder", "conforms", NOWHERE, "", ""),
    Fault("leaves_thread", "conforms", NOWHERE, "", ""),
    Fault("leaves_child", "conforms", NOWHERE, "", ""),
    Fault("slow", "conforms", NOWHERE, "", ""),
    # cannot be told: an error is an error, whatever it is
    Fault("refuses_by_accident", "conforms", NOWHERE, "", ""),
]
# fmt: on


class Unstarted(NamedTuple):
    """An adapter that does not even start: whether its framework counts as absent, and why."""

    name: str
    absent: bool
    because: str


NOT_WHOLE = "describe() of %s is not whole: "
UNSTARTED = [
    Unstarted("import_absent", True, "ModuleNotFoundError: No module named 'framework_that_is_nowhere'"),
    Unstarted("import_exits", False, "SystemExit: no licence found"),
    Unstarted("import_aborts", False, "did not start: the process was ended by SIGABRT\nFatal Python error: Aborted"),
    Unstarted("import_hangs", False, "did not start: no answer within 1 s"),
    Unstarted("import_garbage", False, "did not start: its first line is [1]"),
    Unstarted("describe_absent", False, "AttributeError: module 'conformance_adapter' has no attribute 'describe'"),
    Unstarted("describe_raises", False, "RuntimeError: no device found"),
    Unstarted("describe_unreadable", False, "TypeError: Object of type set is not JSON serializable"),
    Unstarted("describe_without_modes", False, NOT_WHOLE % "describe_without_modes" + "'modes'"),
    Unstarted("describe_unknown_knob", False, NOT_WHOLE % "describe_unknown_knob" + "there is no knob 'colour'"),
]
NETWORKS = ["base", "restore_swaps_layers"]
HANGING = [fault.name for fault in TABLE if fault.verdict == "hung"]
RUNNING = [fault.name for fault in TABLE if fault.verdict != "hung"]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, small_cases: Corpus) -> Path:
    """The folder of the run files of all faults; those that hang have little time for it."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor() as beside:
            patch.setattr(process, "LONGEST_LINE", 1 << 20)
            beside.submit(run_faults, HANGING, small_cases, folder, timeout=2, workers=len(HANGING))
            run_faults(RUNNING, small_cases, folder)

    return once(tmp_path_factory, "faults", make)


class Observed(NamedTuple):
    """A case, what came of it, and the dialect that was declared."""

    case: Case
    line: Mapping[str, Any]
    dialect: Dialect

    @property
    def result(self) -> Result:
        """The verdict, without the search for its cause."""
        return judge(*self)

    @property
    def cause(self) -> str:
        """The knob with its value, or the slip, that explains the result alone."""
        explanation = explained(self.result, *self).explanation
        return {sentence(name): name for name in SLIPS}.get(explanation, explanation.partition(", where")[0])


def observations(runs: Path, name: str, corpus: Corpus) -> dict[str, Observed]:
    """What the run file of an adapter holds, case by case."""
    (path,) = runs.glob(f"{name}-eager-*.jsonl")
    run = read(path)
    assert run.complete
    return {case: Observed(corpus.case(case), line, STANDARD.under(run.header.dialect)) for case, line in run.lines()}


def step_of(result: Result) -> int:
    """The step that a result speaks of, counted from 1; 0 when it speaks of none."""
    if result.first is not None:
        return result.first.step + 1
    raised = re.match(r"step (\d+) raised", result.reason)
    return int(raised[1]) if raised else 0


def told(result: Result) -> tuple[str, str]:
    """The quantity that a result speaks of, and its words."""
    return (result.first.quantity, result.first.what) if result.first else ("", result.reason)


@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: fault.name)
def test_a_fault_is_seen_for_what_it_is_and_nowhere_else(fault: Fault, runs: Path, small_cases: Corpus) -> None:
    """The named cases show the verdict at the step, the fault's own quantity, words and cause; all others conform."""
    found = observations(runs, fault.name, small_cases)
    results = {case: observed.result for case, observed in found.items()}
    red = {case: int(step) for case, step in (word.split(":") for word in fault.red.split())}
    expected = dict.fromkeys(small_cases.ids, ("conforms", 0))
    if fault.name not in NETWORKS:
        expected["network"] = ("unsupported", 0)
    expected |= {case: (fault.verdict, step) for case, step in red.items()}
    assert expected == {case: (result.verdict, step_of(result)) for case, result in results.items()}
    for case in red:
        quantity, words = told(results[case])
        assert (fault.quantity, fault.what) == (quantity, fault.what if fault.what in words else words)
    if red:
        assert fault.cause == found[next(iter(red))].cause


@pytest.mark.parametrize("unstarted", UNSTARTED, ids=lambda unstarted: unstarted.name)
def test_an_adapter_that_cannot_start_is_unavailable(
    unstarted: Unstarted, small_cases: Corpus, tmp_path: Path, token: str
) -> None:
    """The reason is told, there is no run file, and no process is left behind."""
    (ran,) = run_faults([unstarted.name], small_cases, tmp_path, patience=1 if "hangs" in unstarted.name else 60)
    assert Ran(ran.adapter, None, ran.reason, unstarted.absent) == ran
    assert unstarted.because in ran.reason
    assert [] == left_behind(token)


def test_the_demo_adapter_conforms_on_the_cases_that_show_the_faults(tmp_path: Path, small_cases: Corpus) -> None:
    """What turns red here does so for the fault's sake."""
    run_faults([DEMO], small_cases, tmp_path)
    expected = {case: "unsupported" if case == "network" else "conforms" for case in small_cases.ids}
    found = observations(tmp_path, DEMO.stem, small_cases)
    assert expected == {case: observed.result.verdict for case, observed in found.items()}


def test_the_literals_of_the_small_cases_are_right() -> None:
    """The reference bears out what the small cases expect, checked by hand."""
    problems = [problem for path in CASES.glob("*.yaml") for problem in lint(path).problems]
    assert [] == [problem for problem in problems if "the reference" in problem.message]


def test_every_fault_has_a_line() -> None:
    """No adapter here goes untested."""
    assert sorted(path.stem for path in FAULTS.glob("*.py")) == sorted(line.name for line in [*TABLE, *UNSTARTED])


def test_a_run_file_names_no_place_of_this_machine(runs: Path) -> None:
    """Neither the checkout nor the interpreter nor the folder for temporary files."""
    places = [str(ROOT), sys.prefix, sys.base_prefix, "/conformance-"]
    texts = {path.name: path.read_text() for path in runs.glob("*.jsonl")}
    assert len(TABLE) == len(texts)
    assert [] == [(name, place) for name, text in texts.items() for place in places if place in text]
