"""Run files: what a target was seen to do. A header, one line per case, a footer; JSON lines, readable at every moment.

header  {"run": 1, "target": {...}, "dialect": {...}, "provenance": {...}, "cases": {id: digest}}
line    {"id": ..., "steps": [...], "seconds": ...}, or {"id": ..., "crashed" | "hung" | "errored": reason}
footer  {"end": {"finished": ..., "seconds": ..., "elsewhere": seconds in no case, "slowest": {id: seconds},
        "cached": lines from an earlier run}}; without it the run was cut off
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conformance.dialect import STANDARD
from conformance.strict_yaml import BadInput, Problem

FORMAT = 1
LONGEST_LINE = 64 * 1024 * 1024
MOST_VALUES = 1_000_000  # of a line: its arrays are texts, and each value takes a hundred times its place in the file


@dataclass(frozen=True, slots=True)
class Target:
    """An adapter in a mode and an environment; its name is the name of its run file."""

    adapter: str
    mode: str
    framework: str
    version: str
    backend: str = ""
    device: str = "cpu"

    @property
    def label(self) -> str:
        """As people write it: `keras_layers[functional]`, with a device that is not the CPU."""
        return f"{self.adapter}[{self.mode}]" if self.device == "cpu" else f"{self.adapter}[{self.mode},{self.device}]"

    @property
    def environment(self) -> str:
        """Framework and version, and what computes underneath."""
        return f"{self.framework} {self.version}" + (f" on {self.backend}" if self.backend else "")

    @property
    def name(self) -> str:
        """A file name without suffix."""
        device = [self.device] if self.device != "cpu" else []
        parts = [self.adapter, self.mode, *device, self.framework, self.version, *self.backend.split()]
        return "-".join(re.sub(r"[^A-Za-z0-9._+]+", "-", part) for part in parts if part)


@dataclass(frozen=True, slots=True)
class Header:
    """Who ran, where, with what, on which cases."""

    target: Target
    dialect: Mapping[str, str]
    provenance: Mapping[str, Any]
    cases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """A run file that has been read: its header, the place of every case's line, and whether it came to its end."""

    path: Path
    header: Header
    complete: bool
    places: Mapping[str, int] = field(repr=False)
    end: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reused(self) -> int:
        """How many of its lines were taken over from an earlier run."""
        return int(self.end.get("cached", 0))

    def lines(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(id, line) in the order of the file, one at a time in memory."""
        return ((case_id, json.loads(raw)) for case_id, raw in self.raw())

    def raw(self) -> Iterator[tuple[str, bytes]]:
        """The same, each line as it stands in the file."""
        with self.path.open("rb") as file:
            for case_id, place in self.places.items():
                file.seek(place)
                yield case_id, file.readline()


class Writer:
    """Writes a run file line by line, with nothing held back: whenever it stops, what is there can be read."""

    def __init__(self, path: Path, header: Header, kept: Iterable[bytes] = ()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, fresh = path, path.with_suffix(".tmp")
        fresh.unlink(missing_ok=True)  # it may be a link to somewhere else
        self.file = fresh.open("xb", buffering=0)
        try:
            self.write({"run": FORMAT, **asdict(header)})
            for line in kept:
                self.raw(line)
            fresh.replace(path)  # until now an earlier file is as it was
        except BaseException:
            self.file.close()
            fresh.unlink(missing_ok=True)
            raise

    def write(self, line: Mapping[str, Any]) -> None:
        """Add one line."""
        self.raw(json.dumps(line, separators=(",", ":")).encode())

    def raw(self, line: bytes) -> None:
        """Add one line that is JSON already; an OSError names the file."""
        left = memoryview(line.rstrip(b"\n") + b"\n")
        with naming(self.path):
            while left:
                left = left[self.file.write(left) :]

    def close(self, end: Mapping[str, Any] | None) -> None:
        """End the file; without a footer it says that the run was cut off."""
        try:
            if end is not None:
                self.write({"end": end})
        finally:
            self.file.close()


def write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all; until it is there, an earlier one is as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".tmp")
    fresh.unlink(missing_ok=True)
    try:
        with naming(path), fresh.open("xb") as file:
            file.write(content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What the system refuses in writing a file, said of that file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def read(path: Path) -> Run:
    """Index a run file. A last line that is cut off is left out; BadInput says where anything else is wrong."""
    places: dict[str, int] = {}
    header: Header | None = None
    end: dict[str, Any] = {}
    complete = False
    for number, place, raw in _lines(path):
        if complete:
            raise _bad(path, number, "there is something after the footer")
        if not raw.endswith(b"\n"):
            break
        line = _object(path, number, raw)
        if header is None:
            header = _header(path, line)
        elif "end" in line:
            end, complete = _end(path, number, line["end"]), True
        elif not isinstance(line.get("id"), str) or line["id"] in places or line["id"] not in header.cases:
            raise _bad(path, number, "this line has no id of its own that the header names; a case stands here once")
        elif not well_formed(line):
            raise _bad(path, number, "this line is no observation; run the target again")
        else:
            places[line["id"]] = place
    if header is None:
        raise _bad(path, 1, "this is no run file: it has no header; run the target again")
    return Run(path, header, complete, places, end)


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    try:
        with path.open("rb") as file:
            place = 0
            for number, raw in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
                if len(raw) > LONGEST_LINE:
                    raise _bad(path, number, f"a line is longer than {LONGEST_LINE:,} bytes")
                yield number, place, raw
                place += len(raw)
    except OSError as error:
        raise _bad(path, 1, f"cannot be read: {error.strerror or error}") from None


def _object(path: Path, number: int, raw: bytes) -> dict[str, Any]:
    if sum(raw.count(sign) for sign in (b",", b"[", b"{")) > MOST_VALUES:
        raise _bad(path, number, f"a line holds more than {MOST_VALUES:,} values")
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _bad(path, number, f"this line is no JSON ({error}); run the target again") from None
    if not isinstance(line, dict):
        raise _bad(path, number, "a line of a run file is a JSON object")
    return line


def well_formed(line: Mapping[str, Any]) -> bool:
    """Whether an observation has what every reader of it may rely on, whatever its quantities are."""
    steps = line.get("steps", [])
    whole = isinstance(steps, list) and all(
        isinstance(step, dict) and isinstance(step.get("quantities"), dict) for step in steps
    )
    ended = any(name in line for name in ("steps", "crashed", "hung", "errored", "unsupported", "raised"))
    return whole and ended and isinstance(line.get("seconds", 0), (int, float))


def _end(path: Path, number: int, end: Any) -> dict[str, Any]:
    numbers, tables = ("seconds", "elsewhere", "cached"), ("slowest", "unsteady")
    whole = isinstance(end, dict) and all(isinstance(end.get(name, 0), (int, float)) for name in numbers)
    if not whole or not all(isinstance(end.get(name, {}), dict) for name in tables):
        raise _bad(path, number, "the footer is not whole; run the target again")
    return dict(end)


def _header(path: Path, line: dict[str, Any]) -> Header:
    if line.get("run") != FORMAT:
        raise _bad(path, 1, f"this is no run file of format {FORMAT}; run the target again with this version")
    try:
        texts = {**line["dialect"], **line["cases"], **line["target"]}
        if not all(isinstance(text, str) for text in texts.values()):
            raise TypeError("target, dialect and cases hold texts")
        STANDARD.under(line["dialect"])
        return Header(Target(**line["target"]), line["dialect"], dict(line["provenance"]), line["cases"])
    except (KeyError, TypeError, ValueError) as error:
        raise _bad(path, 1, f"the header is not whole ({error}); run the target again") from None


def _bad(path: Path, line: int, message: str) -> BadInput:
    return BadInput([Problem(str(path), line, 1, message)])
