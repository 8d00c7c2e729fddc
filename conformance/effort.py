"""How much a case may ask for: cases come from pull requests, and reading or judging one must come to an end."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from conformance.case import Drawn, Text
from conformance.data import shape_of
from conformance.layers import flat
from conformance.steps import Fit, Step

MOST_ARRAYS = 1_000
MOST_ELEMENTS = 2_000_000  # of all data together
MOST_SKIPPED = 20_000_000  # draws
MOST_STEPS = 5_000
MOST_BATCHES = 20_000
MOST_WORK = 200_000_000  # elements that pass through layers
Found = tuple[tuple[str | int, ...], str]


def too_much(text: Text) -> Iterator[Found]:
    """Everything that a case has too much of, as (path into the file, message)."""
    sizes = {name: prod(shape_of(value, text.data)) for name, value in text.data.items()}
    skipped = sum(value.skip for value in text.data.values() if isinstance(value, Drawn))
    yield from _over(len(sizes), MOST_ARRAYS, ("data",), "arrays")
    yield from _over(sum(sizes.values()), MOST_ELEMENTS, ("data",), "elements of data")
    yield from _over(skipped, MOST_SKIPPED, ("data",), "draws that are skipped")
    yield from _over(len(text.steps), MOST_STEPS, ("steps",), "steps")
    yield from _over(sum(batches(step, text) for step in text.steps), MOST_BATCHES, ("steps",), "batches")
    layers = 1 if text.layer is not None else len(list(flat(text.network or ())))
    passing = sum(elements(step, sizes) for step in text.steps)
    yield from _over(passing * layers, MOST_WORK, ("steps",), "elements to pass through layers")


def _over(count: int, most: int, at: tuple[str | int, ...], what: str) -> Iterator[Found]:
    if count > most:
        yield at, f"{count:,} {what} are too many: at most {most:,}"


def batches(step: Step, text: Text) -> int:
    """How many batches a step trains on."""
    if not isinstance(step, Fit) or step.fit not in text.data:
        return 0
    rows = (*shape_of(text.data[step.fit], text.data), 0)[0]
    return step.epochs * -(-rows // step.batch_size)


def elements(step: Step, sizes: dict[str, int]) -> int:
    """How many elements a step passes through the model."""
    data = getattr(step, step.verb)
    passed = sizes.get(data, 0) if isinstance(data, str) else 0
    return passed * (step.epochs if isinstance(step, Fit) else 1)
