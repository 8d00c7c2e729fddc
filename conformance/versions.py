"""Ranges of versions: `>=2.4,<3`. Only numbers count; what follows them (`rc1`, `.dev0`, `+cpu`) has no part."""

from __future__ import annotations

import operator
import re
from itertools import zip_longest

COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
CLAUSE = r"\s*(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)\s*"
RANGE = rf"^{CLAUSE}(,{CLAUSE})*$"


def numbers(version: str) -> list[int]:
    """The numbers with which a version begins; none for one that begins with something else."""
    found = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in found[0].split(".")] if found else []


def within(version: str, wanted: str) -> bool:
    """Whether a version lies in a range; 2.4 and 2.4.0 are the same."""
    for sign, bound in re.findall(CLAUSE, wanted):
        pairs = list(zip_longest(numbers(version), numbers(bound), fillvalue=0))
        if not COMPARE[sign]([here for here, _ in pairs], [there for _, there in pairs]):
            return False
    return True
