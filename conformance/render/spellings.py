"""How adapters spell one layer, for the page to say what does the same in another framework's API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conformance import port
from conformance.report import Column
from conformance.worked import COMES_TO, VALUES, Settings, comes_to

HERE = "HERE"  # where arguments can be added
LAYER = port.Layer(momentum=0.99, epsilon=0.001)
SETTINGS = Settings(LAYER.momentum, LAYER.epsilon)


def spellings(columns: Iterable[Column]) -> dict[str, dict[str, Any]]:
    """For each adapter the call around further arguments, the names and order of the state, layout, what can be set."""
    found: dict[str, dict[str, Any]] = {}
    for column in columns:
        header = column.run.header
        if header.target.adapter not in found:
            try:
                said = port.spelled(header, LAYER, [HERE])
            except port.NoScript:
                continue
            found[header.target.adapter] = {
                "call": said.call.split(f", {HERE}"),
                "names": said.names,
                "order": said.order,
                "layout": said.layout,
                "settable": port.settings(header),
            }
    return found


def consequences() -> dict[str, dict[str, Any]]:
    """For each knob what its values mean, and what a difference comes to with the numbers of that layer."""
    return {knob: {"values": VALUES[knob], "comes_to": comes_to(knob, SETTINGS)} for knob in COMES_TO}


def said() -> str:
    """The layer, and the batch that the consequences are for, in words."""
    return f"momentum {LAYER.momentum:g}, epsilon {LAYER.epsilon:g}, {LAYER.features} channels, batches of {SETTINGS.n}"
