"""Pictures of the views for the page: each drawn once for all that changed in a moment, where somebody works first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import vtk
from slicer import vtkMRMLLayerDisplayableManager
from trame_rca.utils import RcaEncoder
from trame_slicer.views import ScheduledRenderStrategy
from vtkmodules.util.numpy_support import vtk_to_numpy

from .alarm import Alarm

# JPEG: while something moves, and of the picture that stays, which is nearly free of artefacts.
_MOVING_QUALITY, _STILL_QUALITY = 80, 92
_PERIOD_SECONDS = 1 / 30
_STILL_SECONDS = 0.2
# What was sent lies with the event loop, which drawing the next view would hold up.
_LEAVES_SECONDS = 0.002
# While an answer is on its way, drawing holds it up: where somebody works the rest is drawn with it, or soon; elsewhere
# when it is there, or after a moment.
_WORKED_IN_SECONDS, _ELSEWHERE_SECONDS = 0.05, 0.25


@dataclass
class _Picture:
    """What the page shows of a view. push: sends JPEG and its description. pixels: (H, W, 3) uint8, as sent last."""

    view: Any
    push: Callable[[bytes, dict[str, Any]], None]
    pixels: np.ndarray | None = None
    drawn_at: float = 0.0
    is_still: bool = True


class Pictures:
    """Draws the views that ask for it, one after the other, and sends what looks different than before.

    views: by name, the trame-slicer view and what sends its pictures. worked_in: name of the view that somebody works
    in. is_awaited: whether an answer is on its way. failed: hears what went wrong with one picture. drawn: how many
    were drawn so far.
    """

    def __init__(self, views: Mapping[str, tuple[Any, Callable[[bytes, dict[str, Any]], None]]]) -> None:
        self.worked_in: Callable[[], str] = lambda: ""
        self.is_awaited: Callable[[], bool] = lambda: False
        self.failed: Callable[[Exception], None] = lambda error: None
        self.drawn = 0
        self._pictures = {name: _Picture(*pair) for name, pair in views.items()}
        self._asked: dict[str, float] = {}
        self._alarm = Alarm()
        self._image = vtk.vtkImageData()
        for name, picture in self._pictures.items():
            picture.view.set_scheduled_render(_Asks(self, name))

    def ask(self, name: str) -> None:
        """Draw a view soon."""
        self._asked.setdefault(name, time.monotonic())
        self._alarm.ring()

    async def run(self) -> None:
        """Draw what is asked for, until the server ends."""
        while True:
            name, seconds = self._next(time.monotonic())
            if not name:
                await self._alarm.wait(seconds)
                continue
            try:
                await self._show(name)
            except Exception as error:  # noqa: BLE001 - the other views are still to be drawn
                self.failed(error)

    def _next(self, now: float) -> tuple[str, float]:
        """The view to draw or send now, "" for none yet; and the seconds until there may be one."""
        worked_in, is_awaited = self.worked_in(), self.is_awaited()
        due = {}
        for name, asked_at in self._asked.items():
            patience = _WORKED_IN_SECONDS if name == worked_in else _ELSEWHERE_SECONDS
            due[name] = max(asked_at + is_awaited * patience, self._pictures[name].drawn_at + _PERIOD_SECONDS)
        for name, picture in self._pictures.items():
            if not picture.is_still and name not in due:
                due[name] = picture.drawn_at + _STILL_SECONDS
        ready = [name for name, at in due.items() if at <= now]
        if ready:
            return min(ready, key=lambda name: (name != worked_in, name not in self._asked, due[name])), 0.0
        return "", min(due.values(), default=now + 1.0) - now

    async def _show(self, name: str) -> None:
        """Draw a view and send it where it looks different; one that has not changed is sent once more, for good."""
        picture = self._pictures[name]
        if self._asked.pop(name, None) is None:
            picture.is_still = True
            await self._send(picture, _STILL_QUALITY)
            return
        picture.drawn_at = time.monotonic()
        pixels = self._draw(picture.view)
        # The event loop had no turn while that was drawn.
        await asyncio.sleep(0)
        if picture.pixels is None or not np.array_equal(pixels, picture.pixels):
            picture.pixels, picture.is_still = pixels, False
            await self._send(picture, _MOVING_QUALITY)

    def _draw(self, view: Any) -> np.ndarray:
        """(H, W, 3) uint8, its first row on top; a new array."""
        self.drawn += 1
        view.render_window().Render()
        vtkMRMLLayerDisplayableManager.RenderWindowBufferToImage(view.render_window(), self._image)
        columns, rows, _ = self._image.GetDimensions()
        return vtk_to_numpy(self._image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1].copy()

    async def _send(self, picture: _Picture, quality: int) -> None:
        pixels = picture.pixels
        if pixels is not None:
            rows, columns = pixels.shape[:2]
            encode = RcaEncoder.TURBO_JPEG.encode
            content, meta, _ = await asyncio.get_running_loop().run_in_executor(
                None, encode, pixels, columns, rows, quality
            )
            picture.push(content, meta)
            await asyncio.sleep(_LEAVES_SECONDS)


class _Asks(ScheduledRenderStrategy):
    """A change in a view asks for its picture."""

    def __init__(self, pictures: Pictures, name: str) -> None:
        super().__init__()
        self._pictures, self._name = pictures, name

    def schedule_render(self) -> None:
        self._pictures.ask(self._name)
