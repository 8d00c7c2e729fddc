"""The order of the keys of a case: that of its types."""

from __future__ import annotations

from conformance import case, layers, optimizers, steps
from conformance.fields import Strict

Place = tuple[str | int, ...]
_BY_KEY: dict[str, type[Strict]] = {
    "layer": layers.NamedBatchNorm,
    "batch_norm": layers.NamedBatchNorm,
    "dense": layers.Dense,
    "model": layers.Submodel,
    "sgd": optimizers.Sgd,
    "adam": optimizers.Adam,
    "freeze": steps.Flagging,
    "unfreeze": steps.Flagging,
    "mode": steps.Moding,
    "settings": steps.Settings,
}
_FIRST = ("name", "dialect", "raises")
_LAST = ("expect", "otherwise")


def order(place: Place, keys: list[str]) -> list[str]:
    """The keys of the mapping at a place, as the types have them; names that the author chose keep their order."""
    kind = _kind(place, keys)
    named = [name for name in kind if name not in (*_FIRST, *_LAST)]
    rank = {name: index for index, name in enumerate((*_FIRST, *named, *(_LAST if kind else ())))}
    return sorted(keys, key=lambda key: rank.get(key, len(rank)))


def _kind(place: Place, keys: list[str]) -> tuple[str, ...]:
    if not place:
        return tuple(case.Text.model_fields)
    if place[0] == "sources":
        return tuple(case.Source.model_fields)
    if place[0] == "data" and len(place) == 2:
        return tuple(case.Drawn.model_fields if "random_state" in keys else case.Product.model_fields)
    if place[0] == "steps" and len(place) == 2:
        verb = next((key for key in keys if key in steps.STEPS), "")
        return (verb, *(steps.STEPS[verb].model_fields if verb else ()))
    kind = _BY_KEY.get(str(place[-1]))
    return tuple(kind.model_fields) if kind else ()
