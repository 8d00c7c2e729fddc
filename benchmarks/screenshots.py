"""Pictures of every view in both themes, for the documents; needs playwright.

    python benchmarks/screenshots.py [PAGE [COMPARISON]]

COMPARISON is a page that `conformance compare BEFORE AFTER --format html` wrote; without it that view is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
VIEWS = {
    "matrix": "matrix?sort=disagreement",
    "case": "case/update/batch_sizes_weigh_equally",
    "result": "case/restore/refused_checkpoint_changes_nothing/{0}",
    "target": "target/{0}",
    "pair": "pair/{0}/{1}",
    "questions": "questions?q=frozen",
    "targets": "targets",
    "timeline": "timeline",
    "legend": "legend",
}
HEIGHTS = {"result": 1500, "pair": 1400}
TARGETS = ("torch_nn[module]", "keras_layers[functional]")


def main() -> None:
    """Take them all."""
    pages = [Path(given).resolve() for given in sys.argv[1:] or [ROOT / "reports/index.html"]]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for page, views in zip(pages, (VIEWS, {"compare": ""}), strict=False):
                context = browser.new_context(viewport={"width": 1120, "height": 1000}, color_scheme=theme)
                tab = context.new_page()
                tab.goto(f"file://{page}")
                tab.wait_for_selector("html[data-ready]", state="attached")
                take(tab, views, theme)
        browser.close()


def take(tab, views: dict[str, str], theme: str) -> None:
    """Every view of a page."""
    find = "a => report.targets.find((t) => t.label === a)?.name"
    names = [tab.evaluate(find, name) for name in TARGETS]
    for name, view in views.items():
        tab.set_viewport_size({"width": 1120, "height": HEIGHTS.get(name, 1000)})
        tab.evaluate("fragment => { location.hash = fragment; }", view.format(*names))
        tab.wait_for_timeout(3000 if name == "case" else 800)
        tab.screenshot(path=ROOT / f"docs/screenshots/{name}-{theme}.png")


if __name__ == "__main__":
    main()
