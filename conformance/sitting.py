"""Cases one at a time, on targets whose processes stay: what a test runner needs."""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance import adapters, known, places
from conformance.case import Case
from conformance.commands import excuses_from
from conformance.dialect import STANDARD, Dialect
from conformance.explain import explained
from conformance.judge import Result, judge
from conformance.load import load
from conformance.observe import Sitting
from conformance.process import Interpreter, Unavailable
from conformance.render.terminal import print_steps, why
from conformance.run import introduced
from conformance.runs import Target
from conformance.scope import concerns, scopes


class Refusal(Exception):
    """A target that cannot be run, with the exit status that the command line would have."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Seated:
    """A target whose process runs, and the dialect that it declares."""

    sitting: Sitting
    target: Target
    dialect: Dialect
    about: Sequence[str]


class Bench:
    """The targets of a session."""

    def __init__(self, python: str | None, timeout: float) -> None:
        self.interpreter = Interpreter(python or sys.executable, timeout=timeout)
        self.runner, self.seated = asyncio.Runner(), dict[str, Seated]()
        self.folder = tempfile.TemporaryDirectory(prefix="conformance-")
        self.excuses = excuses_from(None)

    def judge(self, name: str, path: Path) -> tuple[Result, str]:
        """The result of a case file on a target, and the table of its steps; Refusal when there is no such target."""
        case = load(path, root_of(path))
        if name not in self.seated:
            self.seated[name] = self.runner.run(self.seat(name))
        seated, lines = self.seated[name], list[dict[str, Any]]()
        if seated.about and not concerns(case, seated.about):
            return Result(case.id, "unsupported", f"this mode is only about {', '.join(seated.about)}"), ""
        self.runner.run(seated.sitting.answer([case], lambda _, raw: lines.append(json.loads(raw))))
        result = known.apply(judge(case, lines[0], seated.dialect), seated.target, self.excuses)
        result = explained(result, case, lines[0], seated.dialect)
        return result, table(result, case)

    async def seat(self, name: str) -> Seated:
        """Start a target: `adapter` in its first mode, or `adapter[mode]`."""
        adapter_name, mode = re.fullmatch(r"(.*?)(?:\[(.*)\])?", name, re.DOTALL).groups()  # type: ignore[union-attr]
        try:
            adapter = adapters.named(adapter_name)
            chosen = (mode,) if mode else ()
            host, modes = await introduced(adapter, self.interpreter, chosen, self.folder.name)
        except LookupError as error:
            raise Refusal(str(error.args[0]), 2) from None
        except Unavailable as error:
            raise Refusal(f"{name} is unavailable: {error.reason}", 3) from None
        said = host.introduction["ready"]
        if not modes:
            await host.kill()
            raise Refusal(f"{adapter_name} has no mode {mode!r}; it has {', '.join(said['modes'])}", 2)
        sitting = Sitting(adapter.path, modes[0], self.interpreter, Path(self.folder.name))
        await sitting.begin(host)
        target = Target(adapter.name, modes[0], said["framework"], said["version"], said.get("backend", ""))
        dialect = STANDARD.under({**said["dialect"], **said["modes"][modes[0]]})
        return Seated(sitting, target, dialect, scopes(said).get(modes[0], ()))

    def close(self) -> None:
        """End all processes."""
        for seated in self.seated.values():
            self.runner.run(seated.sitting.close())
        self.runner.close()
        self.folder.cleanup()


def root_of(path: Path) -> Path:
    """The corpus of a case file: the suite's own, else the outermost folder named `cases`, else the file's own."""
    if path.is_relative_to(places.cases()):
        return places.cases()
    named = [parent for parent in path.parents if parent.name == "cases"]
    return named[-1] if named else path.parent


def table(result: Result, case: Case) -> str:
    """What happened, and every step with its numbers."""
    text = io.StringIO()
    console = Console(file=text, width=140)
    console.print(f"{result.verdict}: {why(result)}", markup=False, soft_wrap=True)
    if result.steps:
        print_steps(result, case, console)
    return text.getvalue()
