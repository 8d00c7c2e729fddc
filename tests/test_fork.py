"""A stand-in for a fork: a patched copy of an installed framework's layer, and the whole loop of its CI.

Each framework's interpreter is named by an environment variable (CONFORMANCE_TORCH_PYTHON, CONFORMANCE_FLAX_PYTHON,
CONFORMANCE_KERAS_PYTHON); tox's environments fork-torch and fork-flax name their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT

from conformance import cli

GLOBS = ("update/moving_*", "freeze/frozen_f*")
WHERE = "import inspect, {module} as m; print(inspect.getsourcefile(m))"


@dataclass(frozen=True)
class Fork:
    """A framework's layer, and what is done to a copy of its file: (before, after) for each patch."""

    adapter: str
    module: str
    layers: tuple[str, ...]
    patches: dict[str, tuple[str, str]]


# What stands in the frameworks' files is found by these few characters; a version that says it otherwise fails here.
FORKS = {
    "torch": Fork(
        "torch_nn",
        "torch.nn.modules.batchnorm",
        ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
        {
            "momentum reversed": ("= self.momentum\n", "= 1 - self.momentum\n"),
            "frozen layers do not update": (
                "bn_training = True\n",
                "bn_training = self.weight is None or self.weight.requires_grad\n",
            ),
        },
    ),
    "flax": Fork(
        "flax_linen",
        "flax.linen.normalization",
        ("BatchNorm",),
        {
            "momentum reversed": (
                "self.momentum * ra_mean.value + (1 - self.momentum) * mean",
                "(1 - self.momentum) * ra_mean.value + self.momentum * mean",
            ),
            "Bessel put in": ("(1 - self.momentum) * var", "(1 - self.momentum) * var * x.shape[0] / (x.shape[0] - 1)"),
        },
    ),
    "keras": Fork(
        "keras_layers",
        "keras.src.layers.normalization.batch_normalization",
        ("BatchNormalization",),
        {
            "momentum reversed": (
                "moving_mean * self.momentum + mean * (1.0 - self.momentum)",
                "moving_mean * (1.0 - self.momentum) + mean * self.momentum",
            ),
            "frozen layers update": ("if training and self.trainable:", "if training:"),
        },
    ),
}


def python_of(name: str) -> str:
    """The interpreter that the environment names."""
    python = os.environ.get(f"CONFORMANCE_{name.upper()}_PYTHON", "")
    if not python:
        pytest.skip(f"CONFORMANCE_{name.upper()}_PYTHON names no interpreter")
    return python


@dataclass
class Ci:
    """The CI of a fork: its build, its list of known divergences, and the command."""

    fork: Fork
    python: str
    folder: Path

    def build(self, *patches: str) -> None:
        """A copy of the layer's file with patches, as the fork's own module."""
        where = [self.python, "-c", WHERE.format(module=self.fork.module)]
        done = subprocess.run(where, capture_output=True, text=True, check=True)
        text = Path(done.stdout.splitlines()[-1]).read_text()
        text = text.replace("from .", f"from {self.fork.module.rpartition('.')[0]}.")
        for patch in patches:
            before, after = self.fork.patches[patch]
            assert before in text, f"{self.fork.module} says it in another way now: {before}"
            text = text.replace(before, after)
        (self.folder / "build").mkdir(exist_ok=True)
        (self.folder / "build/fork_layers.py").write_text(text)

    @property
    def command(self) -> list[str]:
        """What users type, where the wheel is installed beside the framework, as in tox; else the working tree."""
        installed = Path(self.python).with_name("conformance")
        return [str(installed)] if installed.is_file() else [sys.executable, "-m", "conformance.cli"]

    def conformance(self, *words: object) -> tuple[int, str]:
        """The command: exit status, and what was printed."""
        where = self.folder if len(self.command) == 1 else ROOT
        done = subprocess.run(
            [*self.command, *map(str, words)],
            cwd=where,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def run(self) -> tuple[int, str]:
        """The step of its CI: exit status, and what was printed."""
        layers = [word for layer in self.fork.layers for word in ("--layer", f"fork_layers:{layer}")]
        globs = [word for glob in GLOBS for word in ("--case", glob)]
        modes = ["--mode", "eager"] if self.fork.adapter == "flax_linen" else []
        words = ["run", self.fork.adapter, "--python", self.python, "--path", str(self.folder / "build"), *layers]
        words += [*globs, *modes, "--annotate", "--known", str(self.known), "-o", str(self.folder / "out")]
        return self.conformance(*words)

    @property
    def known(self) -> Path:
        """The list in the fork's own repository."""
        path = self.folder / "known.yaml"
        if not path.exists():
            path.write_text("known: []\n")
        return path

    def update_known(self) -> None:
        """Put everything that is red now on the list, take off what is healed, and say why where that is to be said."""
        status, output = self.conformance("known", self.folder / "out/runs", "--known", self.known, "--update")
        assert status in (cli.GREEN, cli.RED), output
        self.known.write_text(self.known.read_text().replace("TODO", "Our layer does so on purpose."))


@pytest.mark.parametrize("name", FORKS)
def test_the_whole_loop_of_a_fork(name, tmp_path):
    """Run, baseline, green; each change is red and annotated; update, green; healed, red; update, green."""
    ci = Ci(FORKS[name], python_of(name), tmp_path)
    ci.build()
    ci.run()
    ci.update_known()
    status, output = ci.run()
    assert cli.GREEN == status, output

    for patch in ci.fork.patches:
        ci.build(patch)
        status, output = ci.run()
        assert cli.RED == status, f"{patch}: {output}"
        assert "::error " in output
        assert "diverges" in output

    ci.update_known()
    status, output = ci.run()
    assert cli.GREEN == status, output

    ci.build()
    status, output = ci.run()
    assert cli.RED == status, output
    assert "no longer seen: Our layer does so on purpose." in output
    ci.update_known()
    assert cli.GREEN == ci.run()[0]
