"""Pictures of every view in both themes, for the documents: benchmarks/screenshots.py [PAGE]; needs playwright."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
VIEWS = {
    "matrix": "matrix?sort=disagreement",
    "case": "case/update/batch_sizes_weigh_equally",
    "target": "target/{0}",
    "pair": "pair/{0}/{1}",
    "questions": "questions?q=frozen",
    "targets": "targets",
    "legend": "legend",
}
ADAPTERS = ("torch_nn", "keras_layers")


def main() -> None:
    """Take them all."""
    page = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "reports/index.html").resolve()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for theme in ("light", "dark"):
            context = browser.new_context(viewport={"width": 1120, "height": 1000}, color_scheme=theme)
            tab = context.new_page()
            tab.goto(f"file://{page}")
            tab.wait_for_selector("html[data-ready]", state="attached")
            names = [tab.evaluate("a => report.targets.find((t) => t.adapter === a).name", name) for name in ADAPTERS]
            for name, view in VIEWS.items():
                tab.evaluate("fragment => { location.hash = fragment; }", view.format(*names))
                tab.wait_for_timeout(3000 if name == "case" else 500)
                tab.screenshot(path=ROOT / f"docs/screenshots/{name}-{theme}.png")
        browser.close()


if __name__ == "__main__":
    main()
