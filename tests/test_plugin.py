"""Cases as tests: the installed pytest plugin."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_cli import CASE, WRONG

pytest_plugins = ["pytester"]


@pytest.fixture
def cases(pytester: pytest.Pytester) -> Path:
    """Two cases, and an adapter with its momentum the wrong way round."""
    folder = pytester.mkdir("cases")
    (folder / "one.yaml").write_text(CASE)
    (folder / "two.yaml").write_text(CASE.replace("steps:\n", "steps:\n  - predict: batch\n"))
    (pytester.path / "wrong.py").write_text(WRONG)
    return folder


def test_cases_are_tests(pytester, cases):
    """One test for each case and target, and -k chooses among them."""
    pytester.runpytest_subprocess(cases, "--target", "numpy_demo").assert_outcomes(passed=2)
    pytester.runpytest_subprocess(cases, "--target", "numpy_demo", "-k", "two").assert_outcomes(passed=1, deselected=1)


def test_without_a_target_nothing_is_collected(pytester, cases):
    """The plugin leaves other people's YAML alone."""
    assert pytest.ExitCode.NO_TESTS_COLLECTED == pytester.runpytest_subprocess(cases).ret


def test_a_failure_shows_the_steps(pytester, cases):
    """The table and the cause, not a traceback; --lf and junit know the test."""
    result = pytester.runpytest_subprocess(cases, "--target", "wrong.py", "--junitxml", "junit.xml")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*momentum weighs the new statistic*", "*moving_mean*0.3*2.6999998*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert 'failures="2"' in (pytester.path / "junit.xml").read_text()
    again = pytester.runpytest_subprocess(cases, "--target", "wrong.py", "--lf", "-x")
    again.assert_outcomes(failed=1)


def test_workers_run_their_own_processes(pytester, cases):
    """-n spreads the cases."""
    pytester.runpytest_subprocess(cases, "--target", "numpy_demo", "-n", "2").assert_outcomes(passed=2)


def test_what_is_not_supported_is_skipped_with_the_reason(pytester, cases):
    """A verb that the adapter lacks does not vanish."""
    fit = "steps:\n  - {fit: batch, targets: batch, optimizer: {sgd: {learning_rate: 0}}, batch_size: 2}\n"
    (cases / "one.yaml").write_text(CASE.replace("steps:\n", fit))
    result = pytester.runpytest_subprocess(cases, "--target", "numpy_demo", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*the adapter has no fit*"])


REFUSED = [("nobody", 2, "there is no adapter 'nobody'"), ("numpy_demo[odd]", 2, "has no mode 'odd'; it has eager")]


@pytest.mark.parametrize(("target", "status", "message"), REFUSED)
def test_a_target_that_is_none_ends_the_session(pytester, cases, target, status, message):
    """The exit status is that of the command line."""
    result = pytester.runpytest_subprocess(cases, "--target", target)
    assert status == result.ret
    assert message in result.stdout.str() + result.stderr.str()


def test_a_bad_case_is_told_with_its_place(pytester, cases):
    """File, line and column, and what to write."""
    (cases / "one.yaml").write_text(CASE.replace("momentum", "momentm"))
    result = pytester.runpytest_subprocess(cases, "--target", "numpy_demo")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*one.yaml:5:22: unknown key 'momentm'; did you mean 'momentum'?*"])
