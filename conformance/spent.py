"""What took the time of a run: the slowest cases, and what no case accounts for, such as imports and restarts."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field
from typing import Any

SLOWEST = 5
_SECONDS = re.compile(rb'"seconds": ?([0-9.]+)')


@dataclass
class Spent:
    """Seconds in all cases together, and of the slowest by id; those of a case stand in its line."""

    cases: float = 0.0
    slowest: list[tuple[float, str]] = field(default_factory=list)

    def note(self, case_id: str, raw: bytes) -> None:
        """Take account of a case's line, in which its seconds stand before all else that is long."""
        found = _SECONDS.search(raw[:1000])
        seconds = float(found[1]) if found else 0.0
        self.cases += seconds
        heapq.heappush(self.slowest, (seconds, case_id))
        if len(self.slowest) > SLOWEST:
            heapq.heappop(self.slowest)

    def told(self, total: float) -> dict[str, Any]:
        """For the footer of a run file."""
        slowest = {case_id: round(seconds, 3) for seconds, case_id in sorted(self.slowest, reverse=True)}
        return {"seconds": total, "elsewhere": round(max(total - self.cases, 0.0), 3), "slowest": slowest}
