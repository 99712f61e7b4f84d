"""A real Chromium, driven over its DevTools pipe, so that neither a driver nor a port is needed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
needs_chromium = pytest.mark.skipif(
    not BROWSER and not os.environ.get("CI"), reason="no Chromium is on the PATH of this machine: make browser"
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
# Chromium reads commands from descriptor 3 and writes to 4
PIPED = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)


def high_pipe() -> tuple[int, int]:
    """A pipe with both ends above 100, out of the way of 3 and 4."""
    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 100) for end in low]
    for end in low:
        os.close(end)
    return high[0], high[1]


class Page:
    """One tab. ``requests`` are the addresses it asked for, ``errors`` what its script threw or its policy refused."""

    def __init__(self, folder: Path) -> None:
        to_browser, our_write = high_pipe()
        our_read, from_browser = high_pipe()
        command = [BROWSER, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PIPED, str(to_browser), str(from_browser), *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._write, self._read = os.fdopen(our_write, "wb"), os.fdopen(our_read, "rb")
        self._pending, self._number, self._session = b"", 0, ""
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        self.send("Browser.close")
        self.process.wait(timeout=60)
        self._write.close()
        self._read.close()

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session and not method.startswith("Browser."):
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while (answer := self._next()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def open(self, address: str) -> None:
        """Load an address and wait until it is loaded."""
        self.send("Page.navigate", url="about:blank")
        self.requests, self.errors = [], []
        self.send("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        self.js(f"new Promise(go => {{ const look = () => ({expression}) ? go(1) : setTimeout(look, 20); look(); }})")

    def js(self, expression: str) -> Any:
        """The value of an expression, promises awaited."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def choose(self, control: str, value: str) -> None:
        """Choose an option as a user does: with the change event."""
        self.js(
            f"{{ const c = document.getElementById({json.dumps(control)}); c.value = {json.dumps(value)};"
            " c.dispatchEvent(new Event('change')); }"
        )

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key on whatever has the focus."""
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, text=text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def shown(self) -> list[str]:
        """The ids of the cases on the page."""
        return list(self.js("[...document.querySelectorAll('article')].map(a => a.dataset.id)"))

    def look_like(self, width: int, scheme: str) -> None:
        """Take the width of a device, in CSS pixels, and a colour scheme."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 500
        )
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            chunk = os.read(self._read.fileno(), 1 << 16)
            assert chunk, f"Chromium ended with {self.process.wait(timeout=60)}"
            self._pending += chunk
        message, _, self._pending = self._pending.partition(b"\0")
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        if event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
