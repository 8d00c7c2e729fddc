"""Cases as tests: `pytest cases --target torch_nn` in place of any adapter's name; without --target it does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conformance.sitting import Bench


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the command line that a target needs."""
    group = parser.getgroup("conformance", "batch-normalisation conformance")
    group.addoption("--target", action="append", default=[], help="adapter, or adapter[mode], to run the cases on")
    group.addoption("--target-python", default=None, help="the framework's interpreter")
    group.addoption("--target-timeout", type=float, default=60.0, help="seconds that one case may take")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A case file is a module of tests, one for each target."""
    if file_path.suffix == ".yaml" and parent.config.getoption("--target"):
        collector: pytest.Collector = CaseFile.from_parent(parent, path=file_path)
        return collector
    return None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the frameworks' processes."""
    bench = session.config.stash.get(_BENCH, None)
    if bench is not None:
        bench.close()


_BENCH: pytest.StashKey[Bench] = pytest.StashKey()


def _bench(config: pytest.Config) -> Bench:
    """The processes of this session; started when the first case asks for them."""
    from conformance.sitting import Bench

    if _BENCH not in config.stash:
        config.stash[_BENCH] = Bench(config.getoption("--target-python"), config.getoption("--target-timeout"))
    return config.stash[_BENCH]


class CaseFile(pytest.File):
    """One case file."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test for each target."""
        for target in self.config.getoption("--target"):
            yield CaseItem.from_parent(self, name=target)


class Departure(Exception):
    """A target that is not green; carries the table to show."""


class CaseItem(pytest.Item):
    """One case on one target."""

    def runtest(self) -> None:
        """Pass when the verdict is green; skip, with the reason, what the framework does not have."""
        from conformance.sitting import Refusal

        try:
            result, table = _bench(self.config).judge(self.name, self.path)
        except Refusal as refusal:
            pytest.exit(str(refusal), returncode=refusal.status)
        if result.verdict == "unsupported":
            pytest.skip(result.reason)
        if not result.green:
            raise Departure(table)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any, **__: Any) -> Any:
        """The steps with their numbers, not a traceback."""
        from conformance.strict_yaml import BadInput

        if isinstance(excinfo.value, (Departure, BadInput)):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where this test stands."""
        return self.path, 0, f"{self.path.stem} [{self.name}]"
