"""Layers and networks as a case writes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

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
        absent = {"gamma": not self.scale, "beta": not self.center}
        return tuple(name for name in VARIABLES if not absent.get(name))


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


Entry = Annotated[
    Annotated[DenseEntry, Tag("dense")]
    | Annotated[BatchNormEntry, Tag("batch_norm")]
    | Annotated[ActivationEntry, Tag("activation")],
    only_key(("dense", "batch_norm", "activation"), "an entry of a network"),
]
