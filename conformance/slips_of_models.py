"""Slips of what surrounds a layer: flags, checkpoints, evaluation and export, each a class that changes one thing.

The docstring of a class is the sentence that explains a divergence.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from conformance.fields import Floats
from conformance.norm import Batch
from conformance.reference import Machine, Saved
from conformance.steps import Evaluate, Export, Fit, Flagging, Restore, Save
from conformance.training import Part, Refused


class _Forgetful(Machine):
    """A restore that loses what it should bring back."""

    forgets: tuple[str, ...] = ()

    def loaded(self, step: Restore) -> frozenset[str]:
        lost = {name for name in self.state() if name.rpartition(".")[2] in self.forgets}
        return super().loaded(step) - lost


class MeanForgotten(_Forgetful):
    """The moving mean is not restored."""

    forgets = ("moving_mean",)


class VarianceForgotten(_Forgetful):
    """The moving variance is not restored."""

    forgets = ("moving_variance",)


class StatisticsForgotten(_Forgetful):
    """The moving statistics are not restored."""

    forgets = ("moving_mean", "moving_variance")


class ParametersForgotten(_Forgetful):
    """Gamma and beta are not restored."""

    forgets = ("gamma", "beta")


class RefusedHalfLoaded(Machine):
    """A restore that is refused has already loaded what the checkpoint has."""

    def refuse(self, step: Restore) -> NoReturn:
        self.load(step)
        super().refuse(step)


class RefusedPartLoaded(Machine):
    """A restore that is refused has already loaded the layers that are complete."""

    def refuse(self, step: Restore) -> NoReturn:
        names = self.loaded(step)
        for part, saved in self.pairs(step):
            if all(part.full(name) in names for name in part.shown):
                part.variables |= {name: saved.variables[name] for name in part.shown}
        super().refuse(step)


class ModelFlagUnchanged(Machine):
    """Setting the model's flag to what it already is does not reach a layer whose own flag differs."""

    def reached(self, flagging: Flagging, *, trainable: bool) -> list[Part]:
        idle = flagging.of == "model" and self.model_trainable == trainable
        return [] if idle else super().reached(flagging, trainable=trainable)


class FreezeIgnored(Machine):
    """Freezing is ignored."""

    def reached(self, flagging: Flagging, *, trainable: bool) -> list[Part]:
        return super().reached(flagging, trainable=trainable) if trainable else []


class UnfreezeIgnored(Machine):
    """Unfreezing is ignored."""

    def reached(self, flagging: Flagging, *, trainable: bool) -> list[Part]:
        return [] if trainable else super().reached(flagging, trainable=trainable)


class NestedNotReached(Machine):
    """A change of the model's flag does not reach the layers of nested models."""

    def reached(self, flagging: Flagging, *, trainable: bool) -> list[Part]:
        nested = [part for name, route in self.routes.items() if name for part in route]
        found = super().reached(flagging, trainable=trainable)
        return [part for part in found if part not in nested] if flagging.of == "model" else found


class AllReached(Machine):
    """A change of one layer's flag reaches the whole model."""

    def reached(self, flagging: Flagging, *, trainable: bool) -> list[Part]:  # noqa: ARG002 - all, whatever was asked for
        return self.parts


class FirstRestored(Machine):
    """The first checkpoint is restored, whichever is asked for."""

    def pairs(self, step: Restore) -> list[tuple[Part, Saved]]:  # noqa: ARG002 - whichever it asks for
        return list(zip(self.parts, next(iter(self.checkpoints.values())), strict=True))


class StatisticsSwapped(Machine):
    """The moving mean and the moving variance are restored into one another."""

    def load(self, step: Restore) -> None:
        super().load(step)
        for norm in self.norms:
            mean, variance = norm.variables["moving_mean"], norm.variables["moving_variance"]
            norm.variables |= {"moving_mean": variance, "moving_variance": mean}


class LayersSwapped(Machine):
    """Each batch normalisation is restored from another one's checkpoint."""

    def pairs(self, step: Restore) -> list[tuple[Part, Saved]]:
        saved = dict(super().pairs(step))
        others = zip(self.norms, reversed(self.norms), strict=True)
        return [*saved.items(), *((norm, saved[other]) for norm, other in others)]


class SameNotRestored(Machine):
    """Restoring into a layer that is there already does nothing."""

    def load(self, step: Restore) -> None:
        if step.into == "fresh":
            super().load(step)


class _ShapeUnchecked(Machine):
    """A restore to which no checkpoint has another shape."""

    def misfits(self, part: Part, saved: Saved) -> bool:  # noqa: ARG002 - none does
        return False


class ShapeBroadcast(_ShapeUnchecked):
    """A checkpoint of another shape takes the place of the layer's variables."""


class ShapeAdopted(_ShapeUnchecked):
    """A checkpoint of another shape takes the place of the layer's variables, and the next pass fails."""

    def run(self, name: str, given: bool | None, step: Any, *, by_hand: bool = False) -> dict[str, Floats]:
        if any(norm.variables["moving_mean"].shape[1:] != (norm.settings.features,) for norm in self.norms):
            raise Refused
        return super().run(name, given, step, by_hand=by_hand)


class ShapeSpread(_ShapeUnchecked):
    """A checkpoint of another shape is spread over the layer's variables."""

    def load(self, step: Restore) -> None:
        super().load(step)
        for norm in self.norms:
            for name, values in norm.variables.items():
                if values.shape[1] not in (1, norm.settings.features):
                    raise Refused
                norm.variables[name] = np.repeat(values, norm.settings.features // values.shape[1], axis=1)


class ShapePassedOver(_ShapeUnchecked):
    """A checkpoint of another shape is passed over without an error."""

    def loaded(self, step: Restore) -> frozenset[str]:
        fit = (
            (part, saved) for part, saved in self.pairs(step) if not super(_ShapeUnchecked, self).misfits(part, saved)
        )
        return super().loaded(step) & {part.full(name) for part, _ in fit for name in part.variables}


class CounterForgotten(Machine):
    """The number of updates is not restored."""

    def load(self, step: Restore) -> None:
        super().load(step)
        for part in self.parts:
            part.updates, part.weight = 0, 0.0


class SaveResets(Machine):
    """Saving sets the moving mean to 0."""

    def save(self, step: Save) -> None:
        super().save(step)
        for norm in self.norms:
            norm.variables["moving_mean"] = np.zeros_like(norm.variables["moving_mean"])


class ExportMoves(Machine):
    """Exporting passes zeros through the model in training mode."""

    def export(self, step: Export) -> None:
        super().export(step)
        for norm in self.norms:
            zeros = np.zeros_like(norm.variables["moving_mean"])
            norm.update(Batch(zeros, zeros, 2))


class ExportedTrains(Machine):
    """The exported model normalises with the statistics of the batch."""

    def run(self, name: str, given: bool | None, step: Any, *, by_hand: bool = False) -> dict[str, Floats]:
        return super().run(name, given or getattr(step, "exported", None) is not None, step, by_hand=by_hand)


class EvaluationTrains(Machine):
    """Evaluation, also that of validation data in a fit, is in training mode."""

    def run(self, name: str, given: bool | None, step: Any, *, by_hand: bool = False) -> dict[str, Floats]:
        return super().run(name, given or isinstance(step, (Evaluate, Fit)), step, by_hand=by_hand)
