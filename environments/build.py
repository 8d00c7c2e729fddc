"""Makes the environment of a framework whose Python is another than the suite's: nothing in it but what is named.

Usage: python environments/build.py FOLDER PYTHON_VERSION REQUIREMENT...     (needs uv beside this Python)

The interpreter is looked for on PATH and among pyenv's versions. Where it is missing, or the installation fails, the
folder is left without an interpreter, and the target that wanted it is `unavailable`. An environment that is there
already, with the same requirements, is kept.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def interpreters(version: str) -> Iterator[str]:
    """Paths of interpreters of a version, some of which may not run."""
    for folder in os.environ["PATH"].split(os.pathsep):
        yield os.path.join(folder, f"python{version}")
    versions = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    yield from (str(path / "bin" / "python") for path in sorted(versions.glob(f"{version}.*"), reverse=True))


def find(version: str) -> str | None:
    """The first interpreter of a version that runs, and really is of that version."""
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    for path in filter(os.path.isfile, interpreters(version)):
        answer = subprocess.run([path, "-I", "-c", question], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return path
    return None


def build(folder: Path, version: str, requirements: list[str]) -> str:
    """Make the environment; returns what went wrong, or nothing."""
    done = folder / "requirements.txt"
    wanted = "\n".join(requirements) + "\n"
    if done.is_file() and done.read_text() == wanted:
        return ""
    shutil.rmtree(folder, ignore_errors=True)
    python = find(version)
    if python is None:
        return f"there is no Python {version} here, neither on PATH nor among pyenv's versions"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    environment = {"UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", ""), **os.environ}
    where = ["--python", str(folder / "bin" / "python")]
    for command in ([*uv, "venv", "--python", python, str(folder)], [*uv, "pip", "install", *where, *requirements]):
        if subprocess.run(command, env=environment, check=False).returncode:
            shutil.rmtree(folder, ignore_errors=True)
            return f"`{' '.join(command[2:])}` failed"
    done.write_text(wanted)
    return ""


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    problem = build(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
    print(problem or "ready", file=sys.stderr)
