"""Steps and expectations as a case writes them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Tag

from conformance.fields import Array, Epsilon, Floats, Momentum, Name, Positive, Quantity, Strict, only_key
from conformance.optimizers import Optimizer


class Expectation(BaseModel):
    """Literal values of quantities after a step, or that the step raises."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, arbitrary_types_allowed=True, defer_build=True)
    __pydantic_extra__: dict[str, Quantity]
    raises: bool = False

    @property
    def quantities(self) -> dict[str, Floats]:
        """Name -> expected values."""
        return dict(self.__pydantic_extra__)


class Otherwise(Expectation):
    """Expectations under a dialect that departs from the standard."""

    dialect: dict[str, str]


Through = Annotated[Name | None, Field(description="a nested model: the data go through it alone")]
Reach = Annotated[str, Field(description="layer, model, or the name of a layer or of a nested model in a network")]


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
    through: Through = None


class Predict(Step):
    """One pass through the inference API."""

    verb = "predict"
    predict: Name
    mask: Name | None = None
    through: Through = None
    exported: Annotated[Name | None, Field(description="the exported model that infers instead")] = None


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
    through: Through = None


class Fit(Step):
    """The framework's own training loop, in the order of the data."""

    verb = "fit"
    fit: Name
    targets: Name
    loss: Literal["mse"] = "mse"
    optimizer: Optimizer
    epochs: Positive = 1
    batch_size: Positive
    validation: Annotated[Name | None, Field(description="data that every epoch is evaluated on")] = None
    validation_targets: Name | None = None
    through: Through = None


class Evaluate(Step):
    """The framework's own evaluation: the loss in inference."""

    verb = "evaluate"
    evaluate: Name
    targets: Name
    loss: Literal["mse"] = "mse"
    through: Through = None


class Backward(Step):
    """A forward pass and the gradient of sum(upstream * output)."""

    verb = "backward"
    backward: Name
    upstream: Name
    training: bool


class Flagging(Strict):
    """Which flag changes, and whether a compiled model is compiled again."""

    of: Reach = "layer"
    recompile: bool = False


class Freeze(Step):
    """trainable = False."""

    verb = "freeze"
    freeze: Flagging


class Unfreeze(Step):
    """trainable = True."""

    verb = "unfreeze"
    unfreeze: Flagging


class Moding(Strict):
    """Which part is put into which mode, where every module has one."""

    of: Reach = "layer"
    training: bool


class Mode(Step):
    """The mode of a module and of all in it, without a pass."""

    verb = "mode"
    mode: Moding


class Export(Step):
    """Write the model as the framework exports it for inference."""

    verb = "export"
    export: Name


class Save(Step):
    """Write a checkpoint."""

    verb = "save"
    save: Name


class Settings(Strict):
    """Settings in which a fresh layer departs from the one that was saved."""

    momentum: Momentum | None = None
    epsilon: Epsilon | None = None
    features: Positive | None = None


class Restore(Step):
    """Read a checkpoint."""

    verb = "restore"
    restore: Name
    into: Literal["fresh", "same"]
    omit: list[str] = []
    settings: Settings = Settings()


class Set(Step):
    """Assign variables."""

    verb = "set"
    set: dict[str, Array]


PASSES = ("train", "predict", "call", "fit", "evaluate", "backward")  # the verbs that send data through the layers
_COMMON = frozenset({"expect", "otherwise"})
STEPS: dict[str, type[Step]] = {
    kind.verb: kind
    for kind in (
        Train, Predict, Call, Fit, Evaluate, Backward, Freeze, Unfreeze, Mode, Save, Restore, Export, Set,
    )
}  # fmt: skip
AnyStep = Annotated[
    Annotated[Train, Tag("train")]
    | Annotated[Predict, Tag("predict")]
    | Annotated[Call, Tag("call")]
    | Annotated[Fit, Tag("fit")]
    | Annotated[Evaluate, Tag("evaluate")]
    | Annotated[Backward, Tag("backward")]
    | Annotated[Freeze, Tag("freeze")]
    | Annotated[Unfreeze, Tag("unfreeze")]
    | Annotated[Mode, Tag("mode")]
    | Annotated[Save, Tag("save")]
    | Annotated[Restore, Tag("restore")]
    | Annotated[Export, Tag("export")]
    | Annotated[Set, Tag("set")],
    only_key(tuple(STEPS), "a step"),
]
