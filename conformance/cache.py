"""What allows an earlier observation to stand: the same surroundings, and an adapter that would say the same of itself.

A target's observations lie in its run file, which is the cache. What is remembered besides is how each adapter
introduced itself, so that no framework needs to be imported to learn that nothing has changed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from conformance import __version__, digests
from conformance.adapters import Adapter
from conformance.process import HOST, Interpreter
from conformance.runs import write

LOOK = Path(__file__).with_name("surroundings.py")
Surroundings = Mapping[str, str]
# What a shell, a terminal or a CI keeps for itself, what `python -I` ignores, and what nobody would compute with.
_APART = re.compile(
    r"_|PWD|OLDPWD|SHLVL|COLUMNS|LINES|LS_COLORS|PS\d|HIST\w*|TERM\w*|TMUX\w*|STY|SSH_\w+|XDG_SESSION_\w+|DISPLAY|WINDOWID"
    r"|DBUS_\w+|INVOCATION_ID|JOURNAL_STREAM|VSCODE_\w+|PYTHON\w*|PYTEST_\w+|TOX_\w+|COVERAGE_\w+"
    r"|CI|CI_\w+|GITHUB_\w+|RUNNER_\w+|ACTIONS_\w+|BUILD_(ID|NUMBER|TAG|URL)|\w*(TOKEN|SECRET|PASSWORD|CREDENTIAL)\w*"
)


def surroundings(interpreter: Interpreter, written: Sequence[Path] = ()) -> Surroundings:
    """{"files": digest, "environment": digest} of what an observation may depend on, or {"uncertain": reason}.

    written: files and folders that have no part, as the suite itself writes them.
    """
    if interpreter.device != "cpu":
        return {"uncertain": "what a device and its driver are cannot be seen"}
    command = [interpreter.python, "-I", "-B", str(LOOK), os.pathsep.join(map(str, written)), *interpreter.paths]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            env={**os.environ, **interpreter.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=interpreter.timeout,
            check=False,
        )
        said = json.loads(done.stdout) if done.returncode >= 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return {"uncertain": f"{type(error).__name__} of an interpreter that was to look around"}
    if done.returncode < 0:  # nothing speaks against what has been observed, so nothing is to replace it
        raise OSError(errno.EINTR, "was killed while it looked around; run it again", interpreter.python)
    return said if "uncertain" in said else {"files": said["files"], "environment": environment(interpreter)}


def environment(interpreter: Interpreter) -> str:
    """The digest of the variables that a framework could go by; those with secrets and of bookkeeping have no part."""
    variables = {**os.environ, **interpreter.environment}
    return digests.of_value({name: value for name, value in variables.items() if not _APART.fullmatch(name)})


def read_by(adapter: Adapter, interpreter: Interpreter) -> dict[str, str]:
    """The digests of the files that an adapter's framework is configured by, empty for those that are not there."""
    variables = {**os.environ, **interpreter.environment}
    paths = [Path(Template(text).safe_substitute(variables)) for text in adapter.reads]
    return {str(path): digests.of_file(path) if path.is_file() else "" for path in paths}


@dataclass(frozen=True, slots=True)
class Cache:
    """The introductions of adapters, in a folder beside their run files, for an interpreter as it is now."""

    folder: Path
    interpreter: Interpreter
    surroundings: Surroundings

    def around(self, adapter: Adapter) -> Surroundings:
        """What observations of an adapter may depend on."""
        if adapter.path.suffix != ".py":
            return {"uncertain": "what a program is made of cannot be seen"}
        if "uncertain" in self.surroundings:
            return self.surroundings
        own = sorted(LOOK.parent.glob("*.py"))  # what a request is made of
        suite = digests.of_value([digests.of_file(path) for path in own])
        return {**self.surroundings, "suite": suite, "configured": digests.of_value(read_by(adapter, self.interpreter))}

    def recall(self, adapter: Adapter) -> dict[str, Any] | None:
        """How an adapter introduced itself when everything was as it is now."""
        try:
            said = json.loads(self._file(adapter).read_bytes())
            return dict(said["introduction"]) if said["key"] and said["key"] == self._key(adapter) else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def remember(self, adapter: Adapter, introduction: Mapping[str, Any]) -> None:
        """Keep how an adapter introduced itself."""
        if key := self._key(adapter):
            write(self._file(adapter), json.dumps({"key": key, "introduction": introduction}).encode())

    def _file(self, adapter: Adapter) -> Path:
        return self.folder / f"{adapter.name}.json"

    def _key(self, adapter: Adapter) -> str:
        around = self.around(adapter)
        if "uncertain" in around:
            return ""
        own = self.interpreter
        files = [str(adapter.path.resolve()), digests.of_file(adapter.path), digests.of_file(HOST)]
        return digests.of_value([__version__, files, around, own.python, dict(own.environment), own.paths])
