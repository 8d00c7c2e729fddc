"""Conventions as values: a dialect gives every knob a value, and the reference follows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints


@dataclass(frozen=True, slots=True)
class Dialect:
    """The conventions that an implementation follows; the defaults are the standard, in which cases are written.

    variance: which variance the moving variance is fed with, ÷n (population) or ÷(n-1) (sample).
    variance_algorithm: mean((x-mean)²) in two passes, or mean(x²)-mean² in one, which loses digits to a large mean.
    initial_variance: what the moving variance is before the first update, where nothing else is given.
    startup: how the first updates differ: not at all, divided by 1-momentum^t where they are stored (zero_debias) or
        where inference uses them (debiased_in_inference), a cumulative average in which momentum has no part, or the
        first batch copied.
    training_normalisation: whether a training pass normalises with the batch's statistics or with the moving ones
        after it has moved them.
    frozen_training_call: what a frozen layer does in a training pass: it infers, it normalises with the batch's
        statistics and leaves its own alone, or it trains on as if nothing had been said (trains).
    freeze_takes_effect: whether the model's own training loop sees a changed flag at once, only when the model is
        compiled again, or refuses to go on until it is.
    baked_training: whether a training flag given when the model was built stands against the one of a call, gives
        way to it, or makes giving one an error.
    bare_call: what a call without a training flag does; as_last_set is the mode that the last call left behind.
    initial_mode: the mode before any was set.
    one_value_per_channel: whether a training batch with a single value per channel has variance 0, is an error, or is
        handed on as it is and moves nothing.
    single_value_variance: what a sample variance, which divides by n-1, is of a single value: 0/0, or the 0 that the
        population variance is.
    empty_batch: what a training batch without rows does: it keeps the statistics, feeds them 0/0 or 0, or is an error.
    masked_batch: the same of a training batch that is masked entirely; where it keeps the statistics, the layer infers.
    epsilon_zero: whether a training pass with epsilon 0 is computed or an error.
    missing_statistics: whether restoring from a checkpoint that lacks a quantity is an error or keeps what is there.
    settings_restored: whether momentum and epsilon after a restore are those of the program or of the checkpoint.
    state_dtype: the type of the variables of a layer that is built for another type than float32: float32, the
        layer's, or the wider of the two.
    arithmetic: the type in which a layer built for a 16-bit type computes mean and variance; one built for float64
        computes in float64.
    adam_epsilon: whether Adam adds epsilon to the corrected root of the second moment, as the paper's algorithm
        has it, or to the uncorrected one.
    """

    variance: Literal["population", "sample"] = "population"
    variance_algorithm: Literal["two_pass", "one_pass"] = "two_pass"
    initial_variance: Literal["one", "zero"] = "one"
    startup: Literal["none", "zero_debias", "debiased_in_inference", "cumulative", "first_batch"] = "none"
    training_normalisation: Literal["batch", "moving"] = "batch"
    frozen_training_call: Literal["infers", "batch_statistics", "trains"] = "infers"
    freeze_takes_effect: Literal["at_once", "at_compile", "refused"] = "at_once"
    baked_training: Literal["kept", "overridden", "refused"] = "kept"
    bare_call: Literal["infers", "trains", "as_last_set", "refuses"] = "infers"
    initial_mode: Literal["training", "inference"] = "training"
    epsilon_zero: Literal["computes", "refuses"] = "computes"
    one_value_per_channel: Literal["computes", "refuses", "hands_on"] = "computes"
    single_value_variance: Literal["nan", "population"] = "nan"
    empty_batch: Literal["keeps", "nan", "zeros", "refuses"] = "keeps"
    masked_batch: Literal["keeps", "nan", "zeros", "refuses"] = "keeps"
    missing_statistics: Literal["refused", "kept"] = "refused"
    settings_restored: Literal["program", "checkpoint"] = "program"
    state_dtype: Literal["float32", "layer", "wider"] = "float32"
    arithmetic: Literal["float32", "layer"] = "float32"
    adam_epsilon: Literal["corrected", "uncorrected"] = "corrected"

    def under(self, changes: Mapping[str, str]) -> Dialect:
        """This dialect with some knobs changed; a ValueError names the first knob or value that does not exist."""
        for name, value in changes.items():
            if name not in KNOBS:
                raise ValueError(f"there is no knob {name!r}; the knobs are {', '.join(KNOBS)}")
            if value not in KNOBS[name]:
                raise ValueError(f"knob {name!r} cannot be {value!r}; its values are {', '.join(KNOBS[name])}")
        return replace(self, **dict[str, Any](changes))

    def differences(self, other: Dialect) -> dict[str, str]:
        """The knobs in which this dialect departs from another, with this one's values."""
        return {name: getattr(self, name) for name in KNOBS if getattr(self, name) != getattr(other, name)}


KNOBS: dict[str, tuple[str, ...]] = {
    field.name: get_args(get_type_hints(Dialect)[field.name]) for field in fields(Dialect)
}
STANDARD = Dialect()
