"""Layers and networks as a case writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, Tag

from conformance.dtypes import DType
from conformance.fields import Array, Epsilon, Floats, Momentum, Name, Positive, Strict, only_key


class BatchNorm(Strict):
    """A batch normalisation: its settings and what its variables start with, where that is not 0 and 1."""

    features: Positive
    momentum: Momentum
    epsilon: Epsilon
    trainable: bool = True
    training: Annotated[bool | None, Field(description="a training flag baked into the model")] = None
    center: bool = True
    scale: bool = True
    track: Annotated[bool, Field(description="whether it keeps moving statistics")] = True
    dtype: Annotated[DType, Field(description="what the layer is built for, and the data cast to")] = "float32"
    gamma: Array = None
    beta: Array = None
    moving_mean: Array = None
    moving_variance: Array = None

    @property
    def variables(self) -> dict[str, Floats]:
        """The variables that the case gives a value of its own."""
        named = {name: getattr(self, name) for name in VARIABLES}
        return {name: value for name, value in named.items() if value is not None}

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of the variables that this layer has."""
        present = {"gamma": self.scale, "beta": self.center}
        return tuple(name for name in VARIABLES if present.get(name, self.track))


VARIABLES = ("moving_mean", "moving_variance", "gamma", "beta")


class NamedBatchNorm(BatchNorm):
    """A batch normalisation inside a network."""

    name: Name


class Dense(Strict):
    """A fully connected layer: x @ kernel + bias; without bias where none is given."""

    name: Name
    kernel: Array
    bias: Array = None

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of the variables that this layer has."""
        return ("kernel",) if self.bias is None else ("kernel", "bias")


class DenseEntry(Strict):
    """`dense` in a network."""

    dense: Dense


class BatchNormEntry(Strict):
    """`batch_norm` in a network."""

    batch_norm: NamedBatchNorm


class ActivationEntry(Strict):
    """`activation` in a network."""

    activation: Literal["tanh", "relu", "sigmoid"]


class AgainEntry(Strict):
    """A layer that stands elsewhere in the network already, called once more with the same variables."""

    again: Name


class Submodel(Strict):
    """A model inside the network."""

    name: Name
    layers: Annotated[list[Entry], Field(min_length=1)]


class ModelEntry(Strict):
    """`model` in a network."""

    model: Submodel


Entry = Annotated[
    Annotated[DenseEntry, Tag("dense")]
    | Annotated[BatchNormEntry, Tag("batch_norm")]
    | Annotated[ActivationEntry, Tag("activation")]
    | Annotated[AgainEntry, Tag("again")]
    | Annotated[ModelEntry, Tag("model")],
    only_key(("dense", "batch_norm", "activation", "again", "model"), "an entry of a network"),
]


def flat(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries in the order in which data go through them, those of nested models among them."""
    for entry in entries:
        if isinstance(entry, ModelEntry):
            yield from flat(entry.model.layers)
        else:
            yield entry


def submodels(entries: Iterable[Entry]) -> Iterator[Submodel]:
    """The nested models, at every level."""
    for entry in entries:
        if isinstance(entry, ModelEntry):
            yield entry.model
            yield from submodels(entry.model.layers)
