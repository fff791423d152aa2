"""A headless Chromium with an empty profile, and what it asked for, said and drew."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.waiting import wait_until
from fakes.when_used import needs

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--window-size=1400,1000",
)

#: A script: the names, in elements of a selector, whose lines do not end at a mark between two words.
BROKEN_NAMES = """
    const lines = (element) => {
      const found = [];
      const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        for (let at = 0; at < node.length; at++) {
          const range = new Range();
          range.setStart(node, at);
          range.setEnd(node, at + 1);
          const top = Math.round(range.getBoundingClientRect().top);
          if (!found.length || found.at(-1).top !== top) found.push({ top, text: "" });
          found.at(-1).text += node.data[at];
        }
      }
      return found.map((line) => line.text);
    };
    return [...document.querySelectorAll(arguments[0])]
      .filter((each) => each.checkVisibility())
      .map(lines)
      .filter((each) => each.slice(0, -1).some((line) => !/[-_.@ ,(/]$/.test(line)));
"""


class Browser:
    """One window; ``close`` it."""

    def __init__(self, profile: Path) -> None:
        needs("selenium")
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if chromium is None or driver is None:
            pytest.skip("needs chromium and chromedriver")
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.binary_location = chromium
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # Only what is requested is read of that log.
        options.add_experimental_option("perfLoggingPrefs", {"enablePage": False})
        service = webdriver.ChromeService(driver, env={**os.environ, "HOME": str(profile)})
        self.driver = webdriver.Chrome(options=options, service=service)

    def close(self) -> None:
        self.driver.quit()

    def open(self, address: str) -> None:
        """A page anew, whatever was open before; as soon as it has drawn itself."""
        if "#" in address:  # of the page that is open, it would not be loaded again
            self.driver.get("about:blank")
        self.forget()
        self.driver.get(address)
        self.settle()

    def settle(self) -> None:
        """Let what is waiting for the next frame happen."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0)))"
        )

    def forget(self) -> None:
        self.driver.get_log("browser")
        self.driver.get_log("performance")

    def run(self, script: str, *values: object) -> Any:
        """What a script returns, once the page has drawn what it did."""
        found = self.driver.execute_script(script, *values)
        self.settle()
        return found

    def texts(self, selector: str) -> list[str]:
        """The text of each element, as it is seen."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map(each => each.innerText ?? each.textContent)",
            selector,
        )

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        element = self.one(selector)
        self.driver.execute_script('arguments[0].scrollIntoView({block: "center"})', element)
        element.click()
        self.settle()

    def type(self, selector: str, text: str) -> None:
        """Keys, into an element."""
        self.one(selector).send_keys(text)
        self.settle()

    def press(self, text: str) -> None:
        """Keys, wherever the focus is."""
        self.driver.switch_to.active_element.send_keys(text)
        self.settle()

    def choose(self, selector: str, value: str) -> None:
        """One of a select's options."""
        from selenium.webdriver.support.select import Select

        Select(self.one(selector)).select_by_value(value)
        self.settle()

    def wait(self, condition: Callable[[], object], what: str) -> None:
        wait_until(condition, what)

    @property
    def address(self) -> str:
        return str(self.driver.current_url)

    def complaints(self) -> list[str]:
        """What stands in the console since the page was opened."""
        return [f"{each['level']}: {each['message']}" for each in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Every address that was asked for since the page was opened, but what data: addresses hold."""
        events = [
            json.loads(each["message"])["message"] for each in self.driver.get_log("performance")
        ]
        sent = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in sent if not url.startswith(("data:", "about:"))]

    def emulate(self, *, width: int = 1400) -> None:
        """A window's width; the user prefers ``light``."""
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": "light"}]
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": "", "features": features}
        )
        self.settle()
