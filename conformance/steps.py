"""Steps and expectations as a case writes them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Tag

from conformance.fields import Array, Floats, Name, Positive, Strict, only_key


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
        return {name: value for name, value in self if name not in _COMMON}

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
    only_key(("sgd", "adam"), "an optimizer"),
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


PASSES = ("train", "predict", "call", "fit", "backward")  # the verbs that send data through the layers
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
    only_key(tuple(STEPS), "a step"),
]
