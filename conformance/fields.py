"""The smallest parts of the case language: arrays, names, numbers, and what makes a type strict."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, GetPydanticSchema, model_validator
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
_ONE_OR_MORE: dict[str, Any] = {"anyOf": [{"type": "number"}, _NUMBERS]}


def _published(schema: dict[str, Any]) -> GetPydanticSchema:
    """Nested lists of numbers, with the schema that editors see."""
    return GetPydanticSchema(
        lambda _source, _handler: core_schema.no_info_plain_validator_function(rectangular),
        lambda _schema, _handler: copy.deepcopy(schema),  # the library adds to what it is given
    )


Array = Annotated[Any, _published(_NUMBERS)]
Quantity = Annotated[Any, _published(_ONE_OR_MORE)]  # a loss is a number
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
        known = cls.model_fields
        for key in value if isinstance(value, dict) else ():
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
                raise _refuse((key,), f"unknown key {key!r}; {hint}")
        return value


def only_key(allowed: tuple[str, ...], what: str) -> Discriminator:
    """Tells variants apart by the one key of `allowed` that a mapping has."""

    def key(value: object) -> str | None:
        found = [name for name in value if name in allowed] if isinstance(value, Mapping) else []
        return found[0] if len(found) == 1 else None

    message = f"{what} needs exactly one of the keys {', '.join(allowed)}"
    return Discriminator(key, custom_error_type="variant", custom_error_message=message)
