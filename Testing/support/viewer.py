"""The viewer in a process of its own, and a person at its page in the system's Chromium."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from .finished import PATIENCE_SECONDS, wait_for
from .nursery import Nursery, Viewer

ROOT = Path(__file__).resolve().parents[2]
# Neither a sandbox (root in a container has none) nor anything of a browser's own that would use the network.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Chromium tells the page of the mouse's moves with its next frame. An action that is none is answered when the viewer
# has heard all that mouse and keys did before, and the page shows what came of it.
_CATCH_UP = """
() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(trame.trigger('do', [''])))))
"""
# Whether each view shows a picture of just its size.
_VIEWS_ARE_DRAWN = """
[...document.querySelectorAll('.view')].every((view) => {
  const image = view.querySelector('img');
  return image && image.complete && Math.abs(image.naturalWidth - view.clientWidth * devicePixelRatio) <= 2;
})
"""


def chromium() -> str | None:
    """The system's Chromium or Chrome, None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class ViewerProcess:
    """`dfqsam view` as a person starts it; data: folder that takes the place of the user's own.

    variables: of the process's environment. nursery: forks it; without one it is started as a person starts it.
    """

    def __init__(
        self,
        data: Path,
        *arguments: str | Path,
        folder: Path | None = None,
        path: str = "",
        variables: Mapping[str, str] = MappingProxyType({}),
        nursery: Nursery | None = None,
    ) -> None:
        self.log = data / "viewer.log"
        data.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {
            "XDG_DATA_HOME": str(data),
            "PATH": os.pathsep.join(filter(None, [path, os.environ["PATH"]])),
            "VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow",
            # As a shell in that folder has it.
            "PWD": str(folder or data),
            # Two processes that draw and predict on two cores: more threads would only fight.
            "LP_NUM_THREADS": "1",
            **variables,
        }
        environment.pop("DISPLAY", None)
        asked = ["view", *map(str, arguments), "--no-browser"]
        self.process: subprocess.Popen[bytes] | Viewer
        if nursery is not None:
            self.process = nursery.start(asked, folder or data, environment, self.log)
        else:
            with self.log.open("w") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "dfqsam_core", *asked],
                    cwd=folder or data,
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        try:
            wait_for(lambda: self._address() or self.process.poll() is not None)
            self.address = self._address()
            assert self.address, self.text
        except AssertionError:
            self.stop()
            raise
        self.port = int(self.address.split("/?")[0].rsplit(":", 1)[1])

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.log.read_text()

    def stop(self) -> None:
        """End it as Ctrl+C does."""
        self.process.terminate()
        try:
            # Python takes most of a second more to give back what is gone anyway with its process.
            wait_for(lambda: self.process.poll() is not None or "The viewer has ended." in self.text)
        finally:
            self.process.kill()
            self.process.wait()

    def _address(self) -> str:
        found = re.search(r"open at (http://\S+)\n", self.text)
        return found.group(1) if found else ""


class Person:
    """Looks at a page and uses mouse and keys."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        page.goto(address)
        page.wait_for_selector("#open")

    def state(self, name: str) -> Any:
        """A value of the page."""
        return self.page.evaluate("name => trame.state.get(name)", name)

    def wait_until(self, is_true: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait while the page goes on."""
        ends = time.monotonic() + seconds
        while not is_true():
            assert time.monotonic() < ends, f"it did not happen in time; the page says {self.state('message')!r}"
            self.page.wait_for_timeout(30)

    def catch_up(self) -> None:
        """Wait until the viewer has done what mouse and keys asked for so far, but for work that takes time."""
        self.page.evaluate(_CATCH_UP)

    def wait_until_idle(self) -> None:
        """Wait for model, prompts and pictures: a click before a view has its size would land elsewhere."""
        self.wait_until(lambda: self.state("volume") is not None and not self.state("busy"))
        self.wait_until_drawn()

    def wait_until_drawn(self) -> None:
        """Wait until each view shows a picture of its own size."""
        self.wait_until(lambda: self.page.evaluate(_VIEWS_ARE_DRAWN))

    def do(self, name: str, *arguments: Any) -> None:
        """Ask for an action as the page's own code does, and wait until the page shows what came of it."""
        self.page.evaluate("([name, args]) => trame.trigger('do', [name, ...args])", [name, list(arguments)])

    def tool(self, role: str) -> None:
        """Choose a tool, and wait until the mouse places it."""
        if self.state("tool") != role:
            self.page.click(f"#tool-{role}")
            self.wait_until(lambda: self.state("tool") == role)

    def point_of(self, view: str, x: float, y: float) -> tuple[float, float]:
        """Page position of a place in a view; x, y: shares of its width and height."""
        box = self.page.locator(f"#view-{view}").bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def click(self, view: str, x: float, y: float) -> None:
        """Move the mouse there and press it."""
        place = self.point_of(view, x, y)
        self.page.mouse.move(place[0] - 9, place[1] - 7)
        self.page.mouse.move(*place, steps=2)
        self.page.mouse.down()
        self.page.mouse.up()

    def draw(self, view: str, *places: tuple[float, float]) -> None:
        """Hold the left button down from the first place over the others to the last."""
        mouse = self.page.mouse
        mouse.move(*self.point_of(view, *places[0]))
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.point_of(view, *place), steps=8)
            # Of moves that wait together the last one is told alone: a corner would be cut.
            self.catch_up()
        mouse.up()

    def prompt(self, view: str, x: float, y: float) -> None:
        """Place a prompt of the present tool and wait until it is answered."""
        before = len(self.state("prompts"))
        self.click(view, x, y)
        self.wait_until(lambda: len(self.state("prompts")) != before and not self.state("is_working"))

    def picture(self, view: str) -> np.ndarray:
        """(H, W, 3) uint8: what a view shows now."""
        from PIL import Image

        png = self.page.locator(f"#view-{view}").screenshot()
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def steady_picture(self, view: str) -> np.ndarray:
        """(H, W, 3) int: what a view shows when it has not changed for a second."""
        self.catch_up()
        seen = [self.picture(view)]

        def is_steady() -> bool:
            self.page.wait_for_timeout(1000)
            seen.append(self.picture(view))
            return np.array_equal(*seen[-2:])

        self.wait_until(is_steady)
        return seen[-1].astype(int)

    def color_near(self, view: str, x: float, y: float, reach: int = 12) -> np.ndarray:
        """(3,) mean saturation-bearing colour on a ring around a place, beside the prompt's own mark."""
        picture = self.picture(view).astype(float)
        row, column = int(y * picture.shape[0]), int(x * picture.shape[1])
        spots = [(row + reach, column), (row - reach, column), (row, column + reach), (row, column - reach)]
        return np.median([picture[r, c] for r, c in spots], axis=0)


def keep_picture(person: Person, path: Path) -> None:
    """Save a screenshot of the page with few colours, so that it stays small in the repository."""
    from PIL import Image

    person.page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(person.page.screenshot())).convert("RGB")
    picture.quantize(160, dither=Image.Dither.NONE).save(path, optimize=True)


def colored_pixels(picture: np.ndarray, least: int = 40) -> int:
    """How many pixels of (H, W, 3) are not grey: masks, marks and letters."""
    return int((np.ptp(picture.astype(int), axis=2) > least).sum())
