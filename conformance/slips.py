"""Slips: wrong semantics that are nobody's convention. A difference that no knob explains is looked for among them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

from conformance import slips_of_layers, slips_of_models
from conformance.case import Case
from conformance.dialect import Dialect
from conformance.norm import Norm
from conformance.reference import Machine


def _slips(module: ModuleType) -> dict[str, Any]:
    """The slips that a module defines, in its order."""
    return {
        name: kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__ == module.__name__ and not name.startswith("_")
    }


SLIPS: Mapping[str, type[Norm | Machine]] = {**_slips(slips_of_layers), **_slips(slips_of_models)}


def sentence(name: str) -> str:
    """What a slip does."""
    said = str(SLIPS[name].__doc__).rstrip(".")
    return said[0].lower() + said[1:]


def slipped(case: Case, dialect: Dialect, names: Sequence[str]) -> Machine:
    """A machine with the slips of these names, in addition to one another."""
    machine, norm = _kinds(tuple(names))
    return machine(case, dialect, norm)


@lru_cache(maxsize=10_000)
def _kinds(names: tuple[str, ...]) -> tuple[type[Machine], type[Norm]]:
    """The machine and the norm with the slips of these names."""
    kinds: list[Any] = [SLIPS[name] for name in names]
    norms = [kind for kind in kinds if issubclass(kind, Norm)]
    machines = [kind for kind in kinds if issubclass(kind, Machine)]
    return type("SlippedMachine", (*machines, Machine), {}), type("SlippedNorm", (*norms, Norm), {})
