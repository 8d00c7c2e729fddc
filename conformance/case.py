"""The case language as types: what a case may say, and the JSON Schema that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from conformance.fields import Array, Name, Strict
from conformance.layers import BatchNorm, Entry
from conformance.steps import AnyStep


class Drawn(Strict):
    """Numbers drawn from NumPy's legacy generator, whose streams are frozen: draw * scale + shift."""

    random_state: Annotated[int, Field(ge=0, lt=2**32)]
    normal: Annotated[list[int] | None, Field(description="shape of standard normal draws")] = None
    uniform: Annotated[list[int] | None, Field(description="shape of draws from [0, 1)")] = None
    skip: Annotated[int, Field(ge=0, le=10_000_000, description="draws thrown away first")] = 0
    scale: float = 1.0
    shift: float = 0.0

    @model_validator(mode="after")
    def one_distribution(self) -> Drawn:
        """Exactly one distribution, of a size that a run file can hold."""
        if (self.normal is None) == (self.uniform is None):
            raise PydanticCustomError("drawn", "write either `normal: shape` or `uniform: shape`")
        shape = self.normal or self.uniform or []
        if any(not 0 <= size <= 1_000_000 for size in shape) or int(np.prod(shape, dtype=np.float64)) > 1_000_000:
            raise PydanticCustomError("drawn", "a shape has sizes from 0 to 1,000,000, and at most 1,000,000 elements")
        return self


class Product(Strict):
    """Another array of the case times a matrix: dot @ weights + shift."""

    dot: Name
    weights: Array
    shift: float = 0.0


def _kind_of_data(value: object) -> str | None:
    if isinstance(value, Mapping):
        return "drawn" if "random_state" in value else "product" if "dot" in value else None
    return "literal"


Data = Annotated[
    Annotated[Array, Tag("literal")] | Annotated[Drawn, Tag("drawn")] | Annotated[Product, Tag("product")],
    Discriminator(
        _kind_of_data,
        custom_error_type="variant",
        custom_error_message="data is a nested list, a draw with `random_state`, or a product with `dot`",
    ),
]


class Source(Strict):
    """Where it is written, and the few words that decide."""

    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    says: str | None = None


def _source(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


class Text(Strict):
    """A case as its YAML file says it."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    question: str | None = None
    answer: str | None = None
    effect: str | None = None
    statements: list[Annotated[str, Field(pattern=r"^[A-Z]+-[0-9]+$")]] = []
    sources: list[Annotated[Source, BeforeValidator(_source, json_schema_input_type=str | Source)]] = []
    formerly: list[str] = []
    layer: BatchNorm | None = None
    network: Annotated[list[Entry] | None, Field(min_length=1)] = None
    data: dict[Name, Data]
    steps: Annotated[list[AnyStep], Field(min_length=1)]

    @property
    def dtype(self) -> str:
        """What the data are cast to: the type of the single layer; networks compute in float32."""
        return self.layer.dtype if self.layer is not None else "float32"

    @model_validator(mode="after")
    def layer_or_network(self) -> Text:
        """A case has one layer or one network."""
        if (self.layer is None) == (self.network is None):
            raise PydanticCustomError("subject", "write either `layer` or `network`")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A loaded case: its id, which is its path, the digest of what it asks, what it says, and its data drawn."""

    id: str
    digest: str
    text: Text
    data: Mapping[str, NDArray[Any]]


def schema() -> dict[str, Any]:
    """The JSON Schema of a case file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Text.model_json_schema(mode="validation"),
        "title": "A case of the batch-normalisation conformance suite",
    }
