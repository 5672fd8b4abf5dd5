"""Starts the viewer: one scene, one page, on this computer only."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from trame.app import get_server
from trame_client.ui.html import DivLayout
from trame_vuetify.module import v3 as vuetify

from dfqsam_core.errors import DFQSAMError, readable
from dfqsam_core.progress import Cancelled
from dfqsam_core.volume import SliceKey, Volume
from dfqsam_scene.jobs.journals import FOLDER
from dfqsam_scene.jobs.library import ModelLibrary, data_folder

from .alarm import Alarm
from .drawing import require_drawing
from .gate import LOOPBACK, Gate
from .pages import CLOSED
from .roots import Roots

_STATIC = Path(__file__).resolve().parent / "static"
_TICK_SECONDS = 0.02
_POLL_TICKS = 25
# An eye reads no faster, and each word drawn keeps a click waiting.
_VALUE_TICKS = 5
# A page may choose among the listed models ("use model"), and cannot ask for any file.
_NOT_FOR_THE_PAGE = ("model",)


@dataclass(frozen=True)
class Start:
    """The files and settings that the viewer begins with.

    volume: file, DICOM folder or scene, None for an empty page. model: None for the embedded one. labels: a label map
    or .seg.nrrd of the volume. roots: folders that its file dialogs show. conventions: of a float checkpoint whose
    tensors do not tell them, None where the page is to ask.
    """

    volume: Path | None
    model: Path | None
    labels: Path | None
    roots: tuple[Path, ...]
    conventions: str | None = None


class Viewer:
    """The page's state on one side, the logic on the other.

    raise_if_stopped: raises Cancelled when somebody wants the viewer to end.
    """

    def __init__(self, start: Start, raise_if_stopped: Callable[[], None] = lambda: None) -> None:
        # These need Slicer's scene, which takes a second to load; a wrong argument was refused before.
        from .world import World, complete_slicer

        complete_slicer()
        raise_if_stopped()
        self._raise_if_stopped = raise_if_stopped
        self.server = get_server("dfqsam", client_type="vue3")
        self._draw_page()
        from dfqsam_scene.nodes.roles import BRUSHES, ROLES
        from dfqsam_scene.prompting.corrections import Corrections

        from .actions import segment_actions, view_actions
        from .file_actions import Files
        from .file_dialog import FileDialog
        from .logic import ViewerLogic
        from .model_page import ModelPage

        dialog, data = FileDialog(Roots(start.roots)), data_folder()
        self.alarm = Alarm()
        world = World(self.server)
        said, ring = start.conventions or "", self.alarm.ring
        self.logic = ViewerLogic(world, self._show, start.model, data / FOLDER, ring, said)
        self.files = Files(self.logic, dialog, data / "unsaved")
        self.models = ModelPage(self.logic, dialog, ModelLibrary(data))
        self.logic.brought_to_view = self._uncover
        self._dialog = dialog
        # A tool brings its own options to sight.
        self._tabs = dict.fromkeys(ROLES, False) | dict.fromkeys(BRUSHES, True)
        self._told: set[tuple[object, ...]] = set()
        self._ranged: Volume | None = None
        self._asked = 0
        self._actions: dict[str, Callable[..., object]] = {
            **{name: verb for name, verb in self.logic.verbs.by_name().items() if name not in _NOT_FOR_THE_PAGE},
            **Corrections(self.logic.verbs).by_name(),
            **segment_actions(self.logic),
            **view_actions(self.logic),
            **self.files.actions(),
            **self.models.actions(),
            **self._page_actions(),
        }
        self.server.controller.trigger("do")(self.do)
        self.server.state.change("page")(lambda **_: self.logic.refresh())
        self._open(start)

    def _open(self, start: Start) -> None:
        if start.labels is not None and start.volume is not None:
            self.files.open_volume(start.volume, labels=start.labels)
        elif start.volume is not None:
            self.files.open_path(start.volume)

    def do(self, name: str, *arguments: Any) -> int:
        """Do what the page asks for, by an action's name; its number, which the page gets once it is shown."""
        from .logic import guarded

        self._told.clear()
        self._asked += 1
        if name in self._tabs:
            self._set(by_hand=self._tabs[name])
        if name == "propagate" and not arguments:
            arguments = self._range()
        action = None if self.files.is_past(name) else self._actions.get(name)
        if action is not None and not (name == "cancel" and self._close_what_is_open()):
            guarded(self.logic, partial(self._act, action, *arguments))
        self.logic.refresh()
        self.alarm.ring()
        return self._asked

    def _act(self, action: Callable[..., object], *arguments: Any) -> None:
        action(*arguments)
        # The mouse's next event may have come already: it finds the segment and the switches that were chosen.
        self.logic.room.follow()

    def close(self) -> None:
        """End all work; segments that were not saved go to the user's folder, and standard output says where."""
        try:
            kept = self.files.keep_unsaved()
        except (DFQSAMError, OSError) as error:
            kept = f"Segments that were not saved cannot be written: {error}"
        if kept:
            # Whoever closed the terminal hears nothing, and loses nothing by that.
            with contextlib.suppress(OSError):
                print(readable(kept), flush=True)  # noqa: T201 - of the command line
        self.models.close()
        self.logic.close()

    def begin(self) -> None:
        """Do what is due, until the server ends."""
        pictures, room = self.logic.world.pictures, self.logic.room
        pictures.worked_in, pictures.failed = self.logic.world.view_under_mouse, self._tell_once
        # Not what is noted behind an answer: the picture with the answer would wait for it.
        pictures.is_awaited = lambda: room.workspace is not None and room.workspace.controller.is_busy
        # The loop itself holds its tasks only weakly.
        loop = asyncio.get_running_loop()
        self._running = [loop.create_task(task) for task in (self._run(), pictures.run())]

    async def _run(self) -> None:
        ticks = 0
        while True:
            ticks += 1
            try:
                self._raise_if_stopped()
                self.logic.tick()
                if ticks % _VALUE_TICKS == 0:
                    self._show_value()
                if ticks % _POLL_TICKS == 0 and self.models.poll():
                    self.logic.refresh()
            except Cancelled:
                # Nothing else gets out of a task and ends the server.
                raise SystemExit from None
            except Exception as error:  # noqa: BLE001 - the scene must outlive a defect
                self._tell_once(error)
            await self.alarm.wait(_TICK_SECONDS)

    def _tell_once(self, error: Exception) -> None:
        """Tell of a defect, not again with every turn of the loop: a person hears of it anew after the next action."""
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        defect = (type(error), None if place is None else (place.tb_frame.f_code.co_filename, place.tb_lineno))
        if defect not in self._told:
            self._told.add(defect)
            self.logic.tell_defect(error)

    def _close_what_is_open(self) -> bool:
        """Close a dialog or the list of keys; whether there was one."""
        is_open = bool(self._dialog.kind or self.server.state.keys_shown or self.logic.sizes is not None)
        self._dialog.close()
        self.logic.sizes = None
        self._set(keys_shown=False)
        return is_open

    def _range(self) -> tuple[int | None, int | None]:
        """First and last slice of the range that the page shows, from 0; None for the end of the volume."""
        first, last = self.server.state.first_slice, self.server.state.last_slice
        return first - 1 if first else None, last - 1 if last else None

    def _page_actions(self) -> dict[str, Callable[..., object]]:
        """What concerns the page alone, and is not the page's own to change: that would come later than a key."""

        def enlarge(view: str = "") -> None:
            self._set(large="" if self.server.state.large else view or self._view_under_mouse())

        return {
            "keys": lambda: self._set(keys_shown=not self.server.state.keys_shown),
            # Of a button, which is pressed twice where nothing happens at once.
            "show keys": lambda: self._set(keys_shown=True),
            "close dialog": self._close_what_is_open,
            "enlarge": enlarge,
            "by hand": lambda is_shown: self._set(by_hand=bool(is_shown)),
            "range from": lambda number: self._set(first_slice=int(number or 0)),
            "range to": lambda number: self._set(last_slice=int(number or 0)),
        }

    def _set(self, **values: Any) -> None:
        with self.server.state as state:
            state.update(values)

    def _uncover(self, keys: Collection[SliceKey]) -> None:
        """Show all views again where the one that covers the others has none of these slices."""
        large = self.server.state.large
        if large and keys and self.logic.key_of(large) not in keys:
            self._set(large="")

    def _view_under_mouse(self) -> str:
        key = self.logic.room.key
        views = [view for view in self.logic.world.views if key is not None and self.logic.key_of(view) == key]
        return views[0] if views else "axial"

    def _show(self) -> None:
        from .page_state import page_state

        with self.server.state as state:
            state.update({**page_state(self.logic), "dialog": self._dialog.state(), "answered": self._asked})
            if state.page != "segment":
                # They look at the disk, which scrolling through slices shall not wait for.
                state.update(self.models.state())
            if self.logic.volume is not self._ranged:
                # The slices of another volume are others.
                self._ranged = self.logic.volume
                state.update({"first_slice": 0, "last_slice": 0})

    def _show_value(self) -> None:
        """Follow the mouse; the rest of the page waits for changes of its own."""
        from .under_mouse import value_under_mouse

        logic, text = self.logic, ""
        if logic.volume is not None and logic.volume_node is not None:
            text = value_under_mouse(logic.volume_node, logic.volume, "HU" if logic.presets else "")
        if text != self.server.state.under_mouse:
            with self.server.state as state:
                state.under_mouse = text

    def _draw_page(self) -> None:
        from .keys import key_list, tool_list
        from .page_state import EMPTY, PAGE

        state = self.server.state
        state.update({"keys": key_list(), "tools": tool_list(), **EMPTY, **PAGE})
        state.trame__title = "DFQSAM viewer"
        state.trame__template_error = CLOSED
        # Only the icons of Vuetify are used; they are part of its package, so nothing is fetched from anywhere.
        self.server.enable_module(
            {
                "serve": {"dfqsam": str(_STATIC), "icons": vuetify.serve_path},
                "scripts": ["dfqsam/order.js", "dfqsam/fields.js", "dfqsam/keys.js"],
                "vue_use": ["dfqsamOrder", "dfqsamFields"],
                "styles": ["dfqsam/viewer.css", "icons/css/mdi.css"],
            }
        )
        with DivLayout(self.server) as layout:
            layout.root.add_child((_STATIC / "page.html").read_text(encoding="utf-8"))


def serve(start: Start, port: int, ready: Callable[[str], None], raise_if_stopped: Callable[[], None]) -> None:
    """Run the viewer until somebody wants it to end.

    port: 0 for a free one. ready: called with the address to open. raise_if_stopped: raises Cancelled then; it is asked
    often, and passes that through only while the viewer starts. Raises DFQSAMError for wrong roots and where nothing
    can draw, OSError for a port in use.
    """
    # trame reads the process's own arguments otherwise. A signal that raises anything would do so wherever the program
    # is, and VTK ends it at once where that is inside an observer.
    os.environ["TRAME_ARGS"] = "--server --nosignalhandlers"
    require_drawing()
    gate, viewer = Gate(), Viewer(start, raise_if_stopped)
    viewer.server.controller.on_server_bind.add(lambda bound: gate.guard(bound.app))

    def begin(**_: Any) -> None:
        viewer.begin()
        ready(gate.address(viewer.server.port))

    viewer.server.controller.on_server_ready.add(begin)
    try:
        raise_if_stopped()
        viewer.server.start(
            port=port, host=LOOPBACK, timeout=0, open_browser=False, show_connection_info=False, disable_logging=True
        )
    finally:
        viewer.close()
