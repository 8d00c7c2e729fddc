"""What a difference in a convention comes to, in words and at the user's own numbers: a table with a row per knob."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The numbers of somebody's layer; n is how many values per channel a training batch has."""

    momentum: float = 0.99
    epsilon: float = 0.001
    n: int = 64

    @property
    def numbers(self) -> dict[str, float]:
        """What the sentences below are filled with."""
        factor = self.n / (self.n - 1) if self.n > 1 else math.inf
        return {
            "n": self.n,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "share": 1 - self.momentum,
            "factor": factor,
            "percent": 100 * (factor - 1),
            "output": math.sqrt((1 + self.epsilon) / (factor + self.epsilon)),
            "left_10": self.momentum**10,
            "left_100": self.momentum**100,
            "digits": 2.0**-24,
        }


VALUES: Mapping[str, Mapping[str, str]] = {
    "variance": {"population": "the moving variance is fed ÷n", "sample": "the moving variance is fed ÷(n-1)"},
    "variance_algorithm": {"two_pass": "mean((x-mean)²)", "one_pass": "mean(x²)-mean²"},
    "initial_variance": {"one": "starts at 1", "zero": "starts at 0"},
    "startup": {
        "none": "the start counts like a batch and fades",
        "zero_debias": "what is stored is divided by 1-momentum^t",
        "debiased_in_inference": "what inference uses is divided by 1-momentum^t",
        "cumulative": "the plain average of all batches; momentum has no part",
        "first_batch": "the first batch is copied",
    },
    "training_normalisation": {
        "batch": "training normalises with the batch",
        "moving": "training normalises with the moving statistics, moved first",
    },
    "frozen_training_call": {
        "infers": "a frozen layer infers",
        "batch_statistics": "a frozen layer normalises with the batch and keeps its statistics",
        "trains": "freezing does not reach the statistics: they move, and the batch normalises",
    },
    "freeze_takes_effect": {
        "at_once": "a changed flag counts at once",
        "at_compile": "the training loop sees a changed flag when the model is compiled again",
        "refused": "the training loop refuses to go on until the model is compiled again",
    },
    "baked_training": {
        "kept": "a flag built into the model stands against that of a call",
        "overridden": "a flag built into the model gives way to that of a call",
        "refused": "giving both is an error",
    },
    "bare_call": {
        "infers": "a call without a flag infers",
        "trains": "a call without a flag trains, and moves the statistics",
        "as_last_set": "a call without a flag does what was last set",
        "refuses": "a call without a flag is an error",
    },
    "initial_mode": {"training": "a new layer is in training mode", "inference": "a new layer is in inference mode"},
    "epsilon_zero": {"computes": "epsilon 0 is computed", "refuses": "epsilon 0 is an error in training"},
    "one_value_per_channel": {
        "computes": "a training batch with one value per channel has variance 0",
        "refuses": "a training batch with one value per channel is an error",
        "hands_on": "a training batch with one value per channel is handed on as it is and moves nothing",
    },
    "single_value_variance": {"nan": "÷(n-1) of one value is 0/0", "population": "÷(n-1) of one value is 0"},
    "empty_batch": {
        "keeps": "a batch without rows changes nothing",
        "nan": "a batch without rows makes the statistics NaN, for good",
        "zeros": "a batch without rows counts as zeros",
        "refuses": "a batch without rows is an error",
    },
    "masked_batch": {
        "keeps": "a batch that is masked entirely changes nothing",
        "nan": "a batch that is masked entirely makes the statistics NaN, for good",
        "zeros": "a batch that is masked entirely counts as zeros",
        "refuses": "a batch that is masked entirely is an error",
    },
    "missing_statistics": {
        "refused": "a checkpoint without the statistics is an error",
        "kept": "a checkpoint without the statistics leaves those that are there, silently",
    },
    "settings_restored": {
        "program": "momentum and epsilon are those of the program",
        "checkpoint": "momentum and epsilon come with the checkpoint",
    },
    "state_dtype": {
        "float32": "the variables are float32 whatever the layer's type",
        "layer": "the variables have the layer's type",
        "wider": "the variables have the wider of float32 and the layer's type",
    },
    "arithmetic": {
        "float32": "a 16-bit layer computes its statistics in float32",
        "layer": "a 16-bit layer computes its statistics in 16 bits",
    },
    "adam_epsilon": {
        "corrected": "Adam adds epsilon to the corrected root",
        "uncorrected": "Adam adds epsilon to the uncorrected root",
    },
}

COMES_TO: Mapping[str, str] = {
    "variance": "factor n/(n-1) = {factor:.4f} at n = {n}: a moving variance fed ÷(n-1) ends {percent:.2f} % higher,"
    " and what is inferred with it is {output:.4f} times as far from beta",
    "variance_algorithm": "no difference in exact arithmetic; in float32 mean(x²)-mean² loses (mean/deviation)² ulps:"
    " at a mean of 1000 deviations the variance is wrong by about {digits:.0e} · 10⁶ = 6 % of itself",
    "initial_variance": "after 10 updates {left_10:.3f} of the start is left in the moving variance, after 100"
    " {left_100:.3f} (momentum {momentum:g})",
    "startup": "without a correction {left_10:.3f} of the start is left after 10 updates and {left_100:.3f} after 100"
    " (momentum {momentum:g}); after the first, a corrected one that started at 0 is"
    " 1/{share:.4g} times the uncorrected",
    "training_normalisation": "in the first update the moving statistics have taken {share:.4g} of the batch"
    " (momentum {momentum:g}): training outputs are unlike in every batch, most at the start",
    "frozen_training_call": "in each training pass of a frozen layer its statistics go {share:.4g} of the way to the"
    " batch: after 100 passes {left_100:.3f} of the checkpoint's is left (momentum {momentum:g})",
    "freeze_takes_effect": "until it is compiled again, each batch moves the statistics of one of the two by"
    " {share:.4g} of the way (momentum {momentum:g})",
    "baked_training": "where the flags differ, one infers and the other moves by {share:.4g} of the way in each pass",
    "bare_call": "each call that trains moves the statistics by {share:.4g} of the way (momentum {momentum:g}), and its"
    " output depends on the other rows of the batch",
    "initial_mode": "each call without a flag before any mode was set moves the statistics of one of the two by"
    " {share:.4g} of the way (momentum {momentum:g})",
    "epsilon_zero": "with epsilon {epsilon:g} there is no difference",
    "one_value_per_channel": "at n = {n} there is no difference but for a last batch of one",
    "single_value_variance": "at n = {n} there is no difference but for a last batch of one",
    "empty_batch": "only batches without rows differ",
    "masked_batch": "only batches that are masked entirely differ",
    "missing_statistics": "0 and 1 in place of what was trained: outputs are off by the whole shift and scale",
    "settings_restored": "with the same momentum and epsilon in both programs there is no difference",
    "state_dtype": "in float16 an update by less than 1/2048 of a statistic is lost: {share:.4g} of the difference",
    "arithmetic": "float16 ends at 65504 and has 3 digits: sums over n = {n} rows lose about {n} · 2⁻¹¹ of themselves",
    "adam_epsilon": "in the first step an epsilon added to the uncorrected root counts 1/√(1-beta_2) = 31.6 times as"
    " much (beta_2 0.999)",
}


def comes_to(knob: str, settings: Settings) -> str:
    """What a difference in a knob comes to at somebody's numbers."""
    return COMES_TO[knob].format_map(settings.numbers)
