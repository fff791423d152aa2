"""What axe-core, of build/node-env, says against a page for keyboards and screen readers."""

from __future__ import annotations

import pytest

from fakes.browser import Browser
from fakes.checkout import ROOT

_AXE = ROOT / "build" / "node-env" / "node_modules" / "axe-core" / "axe.min.js"
_ASK = "axe.run().then((result) => arguments[0](result.violations));"


def serious_findings(browser: Browser, address: str) -> list[str]:
    """The rules with serious or critical findings, and their first element, on a screen and on that of a phone."""
    if not _AXE.is_file():
        pytest.skip("needs make build/node-env")
    found = []
    for width in (1400, 390):
        browser.emulate(width=width)
        browser.open(address)
        browser.driver.execute_script(_AXE.read_text("utf-8"))
        for each in browser.driver.execute_async_script(_ASK):
            if each["impact"] in ("serious", "critical"):
                found.append(f"{width}: {each['id']}: {each['nodes'][0]['html']}")
    return found
