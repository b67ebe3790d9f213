"""A real Chromium without a window, driven by its own driver. Nothing of it leaves the machine: it resolves no name."""

import base64
import os
from pathlib import Path

import pytest

from rig.daemon import built
from rig.patience import patient, until

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = Keys = None

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
DESK, PHONE = (1280, 900), (360, 740)

needs_browser = pytest.mark.skipif(not (webdriver and CHROMIUM.exists() and DRIVER.exists()),
                                   reason="wants chromium, chromium-driver and python3-selenium")


def artefacts() -> Path:
    """Where pictures go: $RIG_ARTEFACTS, by default beside what was built."""
    folder = Path(os.environ.get("RIG_ARTEFACTS", built("pgwaked").parent / "artefacts")) / "page"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Browser:
    """One Chromium with one page at a time."""

    def __init__(self, folder: Path):
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
                         "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--lang=en",
                         "--hide-scrollbars", f"--user-data-dir={folder}", f"--window-size={DESK[0]},{DESK[1]}"):
            options.add_argument(argument)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # its sandbox refuses to start as root
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        self.driver.set_script_timeout(patient(30))
        self.driver.set_page_load_timeout(patient(30))

    def close(self) -> None:
        self.driver.quit()

    # How it looks at the page

    def like(self, size: tuple[int, int] = DESK, dark: bool = False, still: bool = False, sight: str = "none") -> None:
        """The size of the window in CSS pixels, what the user prefers, and how it sees ("deuteranopia", "achromatopsia" ...)."""
        self._devtools("Emulation.setEmulatedVisionDeficiency", type=sight)
        self._devtools("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=size[0] < 500)
        self._devtools("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])

    def _devtools(self, command: str, **arguments: object) -> dict:
        return self.driver.execute_cdp_cmd(command, arguments)

    def open(self, url: str) -> None:
        """A page anew, and nothing from the one before in the console."""
        self.driver.get("about:blank")
        self.console()
        self.driver.get(url)

    # What it sees

    def run(self, script: str, *arguments: object):
        """Runs the body of a function."""
        return self.driver.execute_script(script, *arguments)

    def console(self) -> list[str]:
        """What was said on the console since the last time: errors, refused content, warnings."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]

    def text(self, selector: str) -> str:
        """What a person reads there; "" when it is not there or not seen."""
        return self.run("const node = document.querySelector(arguments[0]);"
                        "return node && node.getClientRects().length ? node.innerText.replace(/\\s+/g, ' ').trim() : ''", selector)

    def wait_text(self, selector: str, wanted: str, timeout: float = 10.0) -> str:
        """Waits until a person reads that there."""
        seen = ""

        def look() -> bool:
            nonlocal seen
            seen = self.text(selector)
            return wanted in seen

        try:
            until(look, timeout, f"{wanted!r} in {selector}", every=0.02)
        except AssertionError as late:
            raise AssertionError(f"{late}; last: {seen!r}; console: {self.console()}") from None
        return seen

    def count(self, selector: str) -> int:
        """How many of them are seen."""
        return self.run("return [...document.querySelectorAll(arguments[0])].filter(node => node.getClientRects().length).length", selector)

    def focused(self) -> str:
        """Which row, field or button has the keyboard."""
        return self.run("const node = document.activeElement; return node.dataset.name || node.id || node.className || node.tagName")

    # What it does

    def press(self, *keys: str) -> None:
        actions = webdriver.ActionChains(self.driver)
        for key in keys:
            actions.send_keys(key)
        actions.perform()

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def picture(self, name: str, whole: bool = True) -> Path:
        """Saves what is seen, with `whole` all of the page and not only the window, as an artefact of the run."""
        path = artefacts() / f"{name}.png"
        if whole:
            size = self._devtools("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}
            path.write_bytes(base64.b64decode(self._devtools("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]))
        else:
            self.driver.save_screenshot(str(path))
        return path


__all__ = ["Browser", "CHROMIUM", "DESK", "DRIVER", "Keys", "PHONE", "artefacts", "needs_browser"]
