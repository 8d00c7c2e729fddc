"""Optimizers as a case writes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Tag

from conformance.fields import Strict, only_key


class Sgd(Strict):
    """Plain gradient descent."""

    learning_rate: Annotated[float, Field(ge=0)]


class Adam(Strict):
    """Adam (Kingma and Ba 2015, algorithm 1)."""

    learning_rate: Annotated[float, Field(ge=0)]
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    epsilon: Annotated[float, Field(ge=0)] = 1e-8


class SgdEntry(Strict):
    """`sgd` as optimizer."""

    sgd: Sgd


class AdamEntry(Strict):
    """`adam` as optimizer."""

    adam: Adam


Optimizer = Annotated[
    Annotated[SgdEntry, Tag("sgd")] | Annotated[AdamEntry, Tag("adam")],
    only_key(("sgd", "adam"), "an optimizer"),
]
