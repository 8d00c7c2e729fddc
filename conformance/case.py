"""The case language as types: what a case may say, and the JSON Schema that follows from it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetPydanticSchema,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

Floats = NDArray[np.float64]


def rectangular(nested: object) -> Floats:
    """Nested lists of numbers -> float64 array; an error carries the place of the first that is wrong."""
    _shape(nested, ())
    return np.array(nested, np.float64)


def _shape(nested: object, at: tuple[int, ...]) -> tuple[int, ...]:
    if not isinstance(nested, list):
        if isinstance(nested, bool) or not isinstance(nested, (int, float)):
            raise _refuse(at, f"{_say(nested)} is not a number")
        return ()
    shapes = [_shape(item, (*at, index)) for index, item in enumerate(nested)]
    for index, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise _refuse((*at, index), f"ragged array: here is {_extent(shape)}, before it {_extent(shapes[0])}")
    return (len(shapes), *(shapes[0] if shapes else ()))


def _refuse(at: tuple[str | int, ...], message: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message, "at": at})


def _say(value: object) -> str:
    return "nothing" if value is None else repr(value)


def _extent(shape: tuple[int, ...]) -> str:
    if not shape:
        return "a single number"
    return f"a list of {shape[0]}" if len(shape) == 1 else "a block of " + "×".join(map(str, shape))


_NUMBERS: dict[str, Any] = {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "array"}]}}
Array = Annotated[
    Any,
    GetPydanticSchema(
        lambda _source, _handler: core_schema.no_info_plain_validator_function(rectangular),
        lambda _schema, _handler: _NUMBERS,
    ),
]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]
Positive = Annotated[int, Field(ge=1, le=100_000)]
Momentum = Annotated[float, Field(ge=0, le=1, description="fraction of the old moving statistic that is kept")]
Epsilon = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Strict(BaseModel):
    """Knows its keys, and takes no value of another kind for what it wants."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def known_keys(cls, value: object) -> object:
        """Refuse the first unknown key, with the known key that it resembles."""
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                near = difflib.get_close_matches(str(key), cls.model_fields, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(cls.model_fields)}"
                raise _refuse((key,), f"unknown key {key!r}; {hint}")
        return value


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


def _only_key(allowed: tuple[str, ...], what: str) -> Discriminator:
    """Tells variants apart by the one key of `allowed` that a mapping has."""

    def key(value: object) -> str | None:
        found = [name for name in value if name in allowed] if isinstance(value, Mapping) else []
        return found[0] if len(found) == 1 else None

    message = f"{what} needs exactly one of the keys {', '.join(allowed)}"
    return Discriminator(key, custom_error_type="variant", custom_error_message=message)


Entry = Annotated[
    Annotated[DenseEntry, Tag("dense")]
    | Annotated[BatchNormEntry, Tag("batch_norm")]
    | Annotated[ActivationEntry, Tag("activation")],
    _only_key(("dense", "batch_norm", "activation"), "an entry of a network"),
]


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
        if any(size < 0 for size in shape) or int(np.prod(shape, dtype=np.float64)) > 1_000_000:
            raise PydanticCustomError("drawn", "a shape has no negative size and at most 1,000,000 elements")
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


class Expectation(BaseModel):
    """Literal values of quantities after a step, or that the step raises."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, arbitrary_types_allowed=True, defer_build=True)
    __pydantic_extra__: dict[str, Array]
    raises: bool = False

    @property
    def quantities(self) -> dict[str, Floats]:
        """Name -> expected values."""
        return dict(self.__pydantic_extra__)


class Otherwise(Expectation):
    """Expectations under a dialect that departs from the standard."""

    dialect: dict[str, str]


class Step(Strict):
    """What every step may carry."""

    verb: ClassVar[str]
    expect: Expectation = Expectation()
    otherwise: list[Otherwise] = []

    @property
    def options(self) -> dict[str, Any]:
        """The step's own arguments, without its verb and its expectations."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in _COMMON}

    @property
    def expectations(self) -> list[Expectation]:
        """Under the standard first, then under other dialects."""
        return [self.expect, *self.otherwise]


class Train(Step):
    """One pass in training mode."""

    verb = "train"
    train: Name
    mask: Name | None = None


class Predict(Step):
    """One pass through the inference API."""

    verb = "predict"
    predict: Name
    mask: Name | None = None


def _flag(value: object) -> object:
    return None if value == "unset" else value


class Call(Step):
    """The layer called with a training flag, or with none."""

    verb = "call"
    call: Name
    training: Annotated[
        bool | None,
        BeforeValidator(_flag, json_schema_input_type=Literal[True, False, "unset"]),
    ]
    mask: Name | None = None


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
    _only_key(("sgd", "adam"), "an optimizer"),
]


class Fit(Step):
    """The framework's own training loop, in the order of the data."""

    verb = "fit"
    fit: Name
    targets: Name
    loss: Literal["mse"] = "mse"
    optimizer: Optimizer
    epochs: Positive = 1
    batch_size: Positive


class Backward(Step):
    """A forward pass and the gradient of sum(upstream * output)."""

    verb = "backward"
    backward: Name
    upstream: Name
    training: bool


class Flagging(Strict):
    """Which flag changes, and whether a compiled model is compiled again."""

    of: Annotated[str, Field(description="layer, model, or the name of a batch normalisation in a network")] = "layer"
    recompile: bool = False


class Freeze(Step):
    """trainable = False."""

    verb = "freeze"
    freeze: Flagging


class Unfreeze(Step):
    """trainable = True."""

    verb = "unfreeze"
    unfreeze: Flagging


class Save(Step):
    """Write a checkpoint."""

    verb = "save"
    save: Name


class Restore(Step):
    """Read a checkpoint."""

    verb = "restore"
    restore: Name
    into: Literal["fresh", "same"]
    omit: list[str] = []


class Set(Step):
    """Assign variables."""

    verb = "set"
    set: dict[str, Array]


_COMMON = frozenset({"expect", "otherwise"})
STEPS: dict[str, type[Step]] = {
    kind.verb: kind for kind in (Train, Predict, Call, Fit, Backward, Freeze, Unfreeze, Save, Restore, Set)
}
AnyStep = Annotated[
    Annotated[Train, Tag("train")]
    | Annotated[Predict, Tag("predict")]
    | Annotated[Call, Tag("call")]
    | Annotated[Fit, Tag("fit")]
    | Annotated[Backward, Tag("backward")]
    | Annotated[Freeze, Tag("freeze")]
    | Annotated[Unfreeze, Tag("unfreeze")]
    | Annotated[Save, Tag("save")]
    | Annotated[Restore, Tag("restore")]
    | Annotated[Set, Tag("set")],
    _only_key(tuple(STEPS), "a step"),
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

    @model_validator(mode="after")
    def layer_or_network(self) -> Text:
        """A case has one layer or one network."""
        if (self.layer is None) == (self.network is None):
            raise PydanticCustomError("subject", "write either `layer` or `network`")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A loaded case: its id, which is its path, the digest of its file, what it says, and its data drawn."""

    id: str
    digest: str
    text: Text
    data: Mapping[str, NDArray[np.float32]]


def schema() -> dict[str, Any]:
    """The JSON Schema of a case file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Text.model_json_schema(mode="validation"),
        "title": "A case of the batch-normalisation conformance suite",
    }
