"""Cases and run files come from pull requests: whatever they hold, there is an answer in bounded time and memory."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import CASES, DEMO, ROOT, run_faults
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance import cli, host, load, runs
from conformance.corpus import select
from conformance.dialect import STANDARD
from conformance.judge import Result, judge
from conformance.observe import is_answer
from conformance.plan import request
from conformance.report import column
from conformance.strict_yaml import BadInput, parse

INPUTS = int(os.environ.get("CONFORMANCE_FUZZ", "300"))  # per property; SECURITY.md names this number
FUZZ = settings(max_examples=INPUTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
SECONDS, MEGABYTES = 40, 1500
HEAD = "title: A claim\nlayer: {features: 1, momentum: 0.9, epsilon: 0.001}\n"
TAIL = "steps: [train: x]\n"
FIRST = "steps: [train: x0]\n"
BIG = "normal: [1000000, 1]"


def many(count: int, line: str) -> str:
    """A line so many times, each with its number."""
    return "".join(line % number for number in range(count))


HOSTILE = {
    "bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchors and aliases"),
    "merge key": (HEAD + "data: {x: [[1]], <<: {y: [[1]]}}\n" + TAIL, "<<"),
    "object": ("title: !!python/object/apply:os.system [touch made]\n", "tags are not used here"),
    "deep lists": (HEAD + "data: {x: " + "[" * 100_000 + "\n", "nested more than 40 deep"),
    "deep keys": ("{a: " * 100_000, "nested more than 40 deep"),
    "deep blocks": ("".join("%sa:\n" % (" " * depth) for depth in range(2000)), "nested more than 40 deep"),
    "long key": (HEAD + "k" * 1_000_000 + ": 1\n", "(YAML syntax)"),
    "long text": ("title: " + "t" * 3_000_000 + "\n", "at most 200 characters"),
    "large": ("# " + "x" * 4_000_001, "larger than 4,000,000 bytes"),
    "many keys": (
        HEAD + "data: {" + many(20_000, "x%d: [[1]], ") + "}\n" + FIRST,
        "20,000 arrays are too many",
    ),
    "escape": (HEAD + '"\\e[2J\\e]0;x\\a": 1\n', "unknown key '\\x1b[2J"),
    "NUL": ("title: a\0b\n", "U+0000 is not allowed"),
    "not UTF-8": ("title: \udcff\n", "is not UTF-8"),
    "UTF-16": ("\udcff\udcfet\0i\0t\0l\0e\0", "is not UTF-8"),
    "draws": (
        HEAD + "data:\n" + many(500, "  x%d: {random_state: 1, " + BIG + "}\n") + FIRST,
        "elements of data",
    ),
    "skips": (
        HEAD + "data:\n" + many(9, "  x%d: {random_state: 1, skip: 10000000, normal: [1, 1]}\n") + FIRST,
        "draws that are skipped",
    ),
    "empty but huge": (
        HEAD + "data: {x: {random_state: 1, normal: [0, 1000000000000]}}\n" + TAIL,
        "a shape has sizes from 0 to 1,000,000",
    ),
    "steps": (HEAD + "data: {x: [[1]]}\nsteps:\n" + many(20_000, "  - train: x # %d\n"), "steps are too many"),
    "epochs": (
        HEAD + "data: {x: [[1], [2]], y: [[1], [2]]}\nsteps:\n"
        "  - {fit: x, targets: y, loss: mse, optimizer: {sgd: {learning_rate: 1}}, epochs: 100000, batch_size: 1}\n",
        "batches are too many",
    ),
    "product": (
        HEAD + "data: {x: {random_state: 1, %s}, y: {dot: x, weights: [[%s]]}}\n" % (BIG, "0, " * 5000) + TAIL,
        "elements of data",
    ),
    "traversal": (HEAD + "data: {x: [[1]]}\nsteps: [train: x, save: ../../made]\n", "does not fit the pattern"),
    "absolute": (HEAD + "data: {x: [[1]]}\nsteps: [train: x, save: /tmp/made]\n", "does not fit the pattern"),
    "name": (HEAD + "data: {'x\\n': [[1]]}\n" + TAIL, "does not fit the pattern"),
}


def limited(*words: object, cwd: Path) -> tuple[subprocess.CompletedProcess[str], float]:
    """A Python program, with a limit on its memory; and the seconds of computing that it took."""
    limit = MEGABYTES * 1024 * 1024
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_hostile_cases_are_refused_in_bounded_time_and_memory(tmp_path):
    """Each with its place and in a sentence that a terminal can be shown; and nothing of them is executed."""
    (tmp_path / "cases").mkdir()
    for name, (text, _) in HOSTILE.items():
        raw = text.encode("utf-8", "surrogateescape")
        (tmp_path / f"cases/{name.replace(' ', '-')}.yaml").write_bytes(raw)
    words = ("-m", "conformance.cli", "run", "numpy_demo", "--cases", "cases")
    done, seconds = limited(*words, cwd=tmp_path)
    assert 2 == done.returncode, done.stderr[-2000:]
    for name, (_, message) in HOSTILE.items():
        told = [line for line in done.stderr.splitlines() if line.startswith(f"cases/{name.replace(' ', '-')}.yaml:")]
        assert [line for line in told if message in line], (name, told)
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 20_000
    assert "\x1b" not in done.stderr
    assert seconds < SECONDS
    assert ["cases"] == [path.name for path in tmp_path.iterdir()]


def test_a_case_that_is_no_file_of_the_folder_is_refused(tmp_path):
    """A link to elsewhere, a device, a pipe, a folder, a name that a terminal would obey."""
    secret = tmp_path / "secret.yaml"
    secret.write_text("password: 1\n")
    root = tmp_path / "cases"
    (root / "folder.yaml").mkdir(parents=True)
    (root / "link.yaml").symlink_to(secret)
    (root / "zero.yaml").symlink_to("/dev/zero")
    (root / "loop.yaml").symlink_to(root / "loop.yaml")
    os.mkfifo(root / "pipe.yaml")
    with pytest.raises(BadInput) as caught:
        select(root, ()).check()
    text = str(caught.value)
    assert "link.yaml:1:1: this leads out of the folder of cases" in text
    assert "zero.yaml:1:1: this leads out" in text
    assert "pipe.yaml:1:1: this is no file" in text
    assert "folder.yaml:1:1: this is no file" in text
    assert "loop.yaml:1:1: " in text
    assert "password" not in text
    (root / "a\n::error::b.yaml").touch()
    with pytest.raises(BadInput, match=r"a\\n::error::b:1:1: a case's path has letters"):
        select(root, ())


@pytest.fixture(scope="module")
def run_file(tmp_path_factory) -> Path:
    """A run of the demo on the small cases."""
    corpus = select(CASES, ())
    corpus.check()
    (ran,) = run_faults([DEMO], corpus, tmp_path_factory.mktemp("runs"))
    return ran.path


def forged(run_file: Path, to: Path, index: int, change) -> Path:
    """A copy of a run file in which a line has been changed."""
    lines = [json.loads(line) for line in run_file.read_text().splitlines()]
    change(lines[index])
    to.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return to


FORGED = [
    (0, lambda line: line.update(run=2), "this is no run file of format 1"),
    (0, lambda line: line.update(target=[]), "the header is not whole"),
    (0, lambda line: line["target"].update(shell="x"), "the header is not whole"),
    (0, lambda line: line.update(provenance=5), "the header is not whole"),
    (0, lambda line: line.update(cases={"a": 5}), "the header is not whole"),
    (0, lambda line: line.update(dialect={"variance": "none"}), "the header is not whole"),
    (0, lambda line: line.update(dialect={"knob": "x"}), "the header is not whole"),
    (1, lambda line: line.update(id="../../etc/passwd"), "this line has no id of its own that the header names"),
    (1, lambda line: line.update(id=["x"]), "this line has no id"),
    (1, lambda line: line.update(steps=5), "this line is no observation"),
    (1, lambda line: line.update(steps=[5]), "this line is no observation"),
    (1, lambda line: line["steps"][0].update(quantities=[]), "this line is no observation"),
    (1, lambda line: line.pop("steps"), "this line is no observation"),
    (-1, lambda line: line.update(end=5), "the footer is not whole"),
    (-1, lambda line: line["end"].update(seconds="x"), "the footer is not whole"),
    (-1, lambda line: line["end"].update(unsteady=[1]), "the footer is not whole"),
]


@pytest.mark.parametrize(("index", "change", "message"), FORGED)
def test_a_forged_run_file_is_refused(run_file, tmp_path, index, change, message):
    """By name, with the line."""
    with pytest.raises(BadInput, match=message):
        runs.read(forged(run_file, tmp_path / "forged.jsonl", index, change))


def sparse(path: Path) -> None:
    """Four gigabytes that take no place."""
    with path.open("wb") as file:
        file.truncate(4 * 1024**3)


BODIES = {
    "sparse": (sparse, "a line is longer than"),
    "long line": (lambda path: path.write_bytes(b'{"run": 1, "x": "' + b"x" * 100_000_000), "a line is longer than"),
    "many values": (lambda path: path.write_bytes(b"[" + b"{}," * 20_000_000 + b"{}]\n"), "more than 1,000,000 values"),
    "deep": (lambda path: path.write_bytes(b"[" * 500_000 + b"\n"), "this line is no JSON"),
    "digits": (lambda path: path.write_bytes(b"[" + b"9" * 1_000_000 + b"]\n"), "this line is no JSON"),
    "NUL": (lambda path: path.write_bytes(b"\0" * 1000 + b"\n"), "this line is no JSON"),
    "not UTF-8": (lambda path: path.write_bytes(b'{"run": "\xff"}\n'), "this line is no JSON"),
    "empty": (lambda path: path.write_bytes(b""), "it has no header"),
    "one line without end": (lambda path: path.write_bytes(b'{"run": 1}'), "it has no header"),
    "YAML": (lambda path: path.write_text(HEAD), "this line is no JSON"),
}


READ = """
import pathlib, sys
from conformance import merge, strict_yaml
for name in sys.argv[1:]:
    try:
        merge.merge(pathlib.Path("merged.jsonl"), [pathlib.Path(name)])
    except strict_yaml.BadInput as error:
        print(error)
"""


def test_hostile_run_files_are_refused_in_bounded_time_and_memory(tmp_path):
    """Each by name, and in a sentence."""
    for name, (make, _) in BODIES.items():
        make(tmp_path / f"{name}.jsonl")
    done, seconds = limited("-c", READ, *(f"{name}.jsonl" for name in BODIES), cwd=tmp_path)
    assert 0 == done.returncode, done.stderr[-2000:]
    expected = [(name, True) for name in BODIES]
    told = [line.partition(".jsonl:") for line in done.stdout.splitlines()]
    assert expected == [(name, BODIES[name][1] in message) for name, _, message in told]
    assert seconds < SECONDS
    assert not (tmp_path / "merged.jsonl").exists()


def test_a_bad_run_file_ends_a_report_with_2(tmp_path):
    """It is told, and nothing is rendered."""
    (tmp_path / "bad.jsonl").write_bytes(b"\0")
    words = ("report", str(tmp_path / "bad.jsonl"), "--cases", str(CASES), "-o", str(tmp_path / "out"))
    result = CliRunner().invoke(cli.main, words)
    assert cli.BAD_USAGE == result.exit_code
    assert "bad.jsonl:1:1: " in result.output
    assert not (tmp_path / "out").exists()


def test_a_link_in_the_place_of_a_run_file_is_not_followed(tmp_path):
    """Neither for the file nor for the one that is written first."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    corpus = select(CASES, ())
    corpus.check()
    (ran,) = run_faults([DEMO], corpus, tmp_path / "runs")
    for suffix in (".jsonl", ".tmp"):
        ran.path.with_suffix(suffix).unlink(missing_ok=True)
        ran.path.with_suffix(suffix).symlink_to(victim)
    run_faults([DEMO], corpus, tmp_path / "runs")
    assert "precious" == victim.read_text()
    assert runs.read(ran.path).complete


TEXTS = sorted(path.read_text() for path in [*CASES.glob("**/*.yaml"), *(ROOT / "cases").glob("*/*.yaml")])
TEXTS = [text for text in TEXTS if len(text) < 2500][::5]
PIECES = [
    "- ", ": ", "[", "]", "{", "}", "\n", "  ", "&a ", "*a", "!!int ", "|", ">", "'", '"', "\\", "---\n", "...\n", "?",
    "#", "<<: ", "~", "null", ".nan", "1e9", "-0", "0x1", "1_0", "true", "off", "\t", "\r", "\0", "\x85", "é", "\ud800",
    "1" * 400, "steps", "train", "fit", "epochs", "data", "expect", "otherwise", "raises", "moving_mean", "\ufeff", ",",
]  # fmt: skip


@st.composite
def mangled(draw):
    """A real case with some pieces taken out, put in, doubled or moved."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(st.sampled_from([*PIECES, text[start:end] * 2, ""])) + text[end:]
    return text.encode("utf-8", "surrogatepass")


@FUZZ
@given(mangled() | st.binary(max_size=300))
def test_loading_ends_in_a_case_or_in_a_sentence(raw):
    """Whatever a file holds."""
    try:
        case = load.build(parse(load.decode(raw, "f"), "f"), "x")
    except BadInput as error:
        assert error.problems
        assert all(problem.line >= 1 and problem.message for problem in error.problems)
    else:
        assert case.text.steps


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["float32", "AAAA"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)


def altered(draw, value, keep=()):
    """A JSON value with something in it replaced, left out or added."""
    value, node = copy.deepcopy(value), None
    holder = inner = value
    while isinstance(inner, (dict, list)) and inner and (node is None or draw(st.integers(0, 3))):
        holder = inner
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        keys = [key for key in keys if key not in keep]
        if not keys:
            break
        node = draw(st.sampled_from(list(keys)))
        inner = holder[node]
    if node is not None and draw(st.booleans()) and isinstance(holder, dict):
        del holder[node]
    elif node is not None:
        holder[node] = draw(JSON)
    return value


@FUZZ
@given(st.data())
def test_reading_a_run_file_ends_in_verdicts_or_in_a_sentence(run_file, tmp_path_factory, data):
    """Whatever has been changed in it, in a value of a line or in its bytes."""
    lines = run_file.read_bytes().splitlines(keepends=True)
    index = data.draw(st.integers(0, len(lines) - 1))
    if data.draw(st.integers(0, 4)):
        lines[index] = json.dumps(altered(data.draw, json.loads(lines[index]))).encode() + b"\n"
    else:
        place = data.draw(st.integers(0, len(lines[index])))
        lines[index] = lines[index][:place] + data.draw(st.binary(max_size=5)) + lines[index][place + 2 :]
    path = tmp_path_factory.getbasetemp() / "fuzzed.jsonl"
    path.write_bytes(b"".join(lines))
    try:
        judged = column(select(CASES, ()), runs.read(path), [])
    except BadInput as error:
        assert all(problem.message for problem in error.problems)
    else:
        assert all(isinstance(result, Result) and result.verdict for result in judged.results.values())


SMALL = list(select(CASES, ()))
ANSWER = {"id": "x", "seconds": 0.1, "steps": [{"quantities": {"moving_mean": ["float32", [1], "AAAAAA=="]}}]}


@FUZZ
@given(st.data())
def test_an_answer_is_judged_or_is_none(data):
    """Whatever a host answers, in JSON or not."""
    case = data.draw(st.sampled_from(SMALL))
    line = altered(data.draw, {**ANSWER, "id": case.id})
    raw = data.draw(st.sampled_from([json.dumps(line).encode(), json.dumps(data.draw(JSON)).encode()]))
    if is_answer(raw, case.id):
        assert judge(case, json.loads(raw), STANDARD).verdict in ("conforms", "diverges", "errored", "unsupported")
    else:
        assert line != {**ANSWER, "id": case.id} or raw != json.dumps(line).encode()


spec = importlib.util.spec_from_file_location("demo_for_fuzzing", DEMO)
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)


@FUZZ
@given(st.data())
def test_the_host_answers_every_request(tmp_path_factory, data):
    """Whatever the layer, the data and the arguments of the steps are: with a line, and no exception gets out."""
    case = data.draw(st.sampled_from(SMALL))
    asked = json.loads(json.dumps(altered(data.draw, request(case), keep=("id", "steps", "verb"))))
    at = {"mode": "eager", "workdir": str(tmp_path_factory.mktemp("work"))}
    asked = {"layer": 1, "data": {}, **asked}
    line = json.loads(host.run_case(demo, at, asked, 0))
    assert case.id == line["id"]
    assert runs.well_formed(line)


def test_the_numbers_of_inputs_are_written_down():
    """Where those who rely on it will look."""
    assert "300 inputs" in (ROOT / "SECURITY.md").read_text()
