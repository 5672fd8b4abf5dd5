"""From the click to the mask on the screen: the viewer's times in a real browser, with every part of it running.

python tools/benchmark_viewer.py --clicks 50 --large --report viewer.json
python tools/benchmark_viewer.py --against ../older-checkout    # both in turn, on a machine that does other things, too
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "DFQSAMSlicer")]

# In the page, so that no message between programs is part of the time: from the press of the button until a picture of
# the view has another colour around the place that was clicked.
_WATCH = """
([view, x, y]) => {
  const box = document.querySelector('#view-' + view), canvas = document.createElement('canvas').getContext('2d');
  const colour = () => {
    const image = box.querySelector('img');
    if (!image || !image.complete || !image.naturalWidth) return 0;
    canvas.canvas.width = canvas.canvas.height = 40;
    const left = x * image.naturalWidth - 20, top = y * image.naturalHeight - 20;
    canvas.drawImage(image, left, top, 40, 40, 0, 0, 40, 40);
    const data = canvas.getImageData(0, 0, 40, 40).data;
    let coloured = 0;
    for (let n = 0; n < data.length; n += 4)
      coloured += Math.max(data[n], data[n + 1], data[n + 2]) - Math.min(data[n], data[n + 1], data[n + 2]) > 40;
    return coloured;
  };
  window.seconds = new Promise((resolve) => {
    window.addEventListener('pointerdown', () => {
      const begin = performance.now(), before = colour();
      const look = () =>
        Math.abs(colour() - before) > 250 ? resolve((performance.now() - begin) / 1000)
          : performance.now() - begin > 20000 ? resolve(-1) : requestAnimationFrame(look);
      requestAnimationFrame(look);
    }, {capture: true, once: true});
  });
}
"""
# Of the wheel: how many different pictures of slices come in four seconds of turning it, a notch every 40 ms.
_WHEEL = """
() => new Promise((resolve) => {
  const image = document.querySelector('#view-axial img'), area = image.closest('.remote-controlled-area') ?? image;
  const box = image.getBoundingClientRect(), seen = new Set();
  const look = new MutationObserver(() => seen.add(trame.state.get('views').axial.index + ' ' + image.src));
  look.observe(image, {attributes: true, attributeFilter: ['src']});
  let notches = 0;
  const turning = setInterval(() => {
    area.dispatchEvent(new WheelEvent('wheel', {deltaY: notches++ < 50 ? -120 : 120, bubbles: true, cancelable: true,
      clientX: box.left + box.width / 2, clientY: box.top + box.height / 2}));
  }, 40);
  setTimeout(() => { clearInterval(turning); look.disconnect(); resolve(seen.size / 4); }, 4000);
})
"""
_PLACES = {"first click": (0.33, 0.45), "second click": (0.36, 0.40)}


@dataclass(frozen=True)
class Click:
    """One click. milliseconds: from the press to the mask. counts: what was sent for it, and the viewer's work."""

    milliseconds: float
    counts: Any


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=50, help="of each kind (default 50)")
    parser.add_argument("--report", type=Path)
    parser.add_argument("-m", "--model", type=Path, help="default: the embedded model")
    parser.add_argument("--against", type=Path, help="an older checkout, whose clicks are measured in turn with these")
    parser.add_argument("--large", action="store_true", help="also: start and wheel with a volume of 512 x 512 x 300")
    args = parser.parse_args(argv)
    checkouts = {"": ROOT} if args.against is None else {"before: ": args.against.resolve(), "now: ": ROOT}
    result: dict[str, Any] = measure(args.clicks, args.model, checkouts)
    for kind, row in result.items():
        print(f"{kind}: " + ", ".join(f"{name} {value:.0f}" for name, value in row.items()))
    if args.large:
        result["large volume"] = large_volume()
        print("512 x 512 x 300: " + ", ".join(f"{name} {value:.1f}" for name, value in result["large volume"].items()))
    if args.report:
        args.report.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(clicks: int, model: Path | None, checkouts: dict[str, Path]) -> dict[str, dict[str, float]]:
    """First clicks (on a slice that was never encoded) and second ones (on one that was), of each checkout in turn."""
    from dfqsam_core.resources import DEMO_VOLUME, resource_path

    options = ["-m", model.resolve()] if model else []
    found: dict[str, list[Click]] = {f"{name}{kind}": [] for name in checkouts for kind in _PLACES}
    with contextlib.ExitStack() as stack:
        open_page = stack.enter_context(_pages())
        people = {name: open_page(path, resource_path(DEMO_VOLUME), *options) for name, path in checkouts.items()}
        for person, _ in people.values():
            # Measured without encoding ahead: a person who waits a moment on a slice has the time of a second click.
            person.do("encode ahead", False)
            person.tool("positive")
        for n in range(clicks):
            for name, (person, wire) in people.items():
                for kind, click in _measure_slice(person, wire, n).items():
                    found[f"{name}{kind}"].append(click)
    return {kind: summary(measured) for kind, measured in found.items()}


@contextlib.contextmanager
def _pages() -> Iterator[Callable[..., tuple[Any, Any]]]:
    """Opens viewers of checkouts, each with a person at its page, and what counts the page's messages."""
    from playwright.sync_api import sync_playwright

    from Testing.support.viewer import CHROMIUM_FLAGS, Person, ViewerProcess, chromium
    from Testing.support.wire import Wire

    with contextlib.ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)

        def begin(checkout: Path, *arguments: str | Path) -> tuple[Any, Any]:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            packages = {"PYTHONPATH": f"{checkout}{os.pathsep}{checkout / 'DFQSAMSlicer'}"}
            viewer = ViewerProcess(folder, *arguments, variables=packages)
            stack.callback(viewer.stop)
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            wire = Wire(page, viewer.process.pid)
            person = Person(page, viewer.address)
            person.wait_until_idle()
            return person, wire

        yield begin


def _measure_slice(person: Any, wire: Any, round_number: int) -> dict[str, Click]:
    """Two clicks on one slice, each taken back; the window changes with each pass, so that a slice is new again."""
    slices = range(4, 26)
    if round_number % len(slices) == 0:
        person.do("window", f"{400 + round_number},40")
        person.page.wait_for_timeout(1000)
    person.do("go", "axial", slices[round_number % len(slices)])
    found = {}
    for kind, place in _PLACES.items():
        person.page.wait_for_timeout(700)
        person.page.mouse.move(*person.point_of("axial", *place))
        person.page.wait_for_timeout(500)
        person.page.evaluate(_WATCH, ["axial", *place])
        before = wire.now()
        person.page.mouse.down()
        person.page.mouse.up()
        seconds = person.page.evaluate("window.seconds")
        if seconds < 0:
            raise RuntimeError("A click was not answered within 20 s.")
        person.wait_until(lambda: not person.state("is_working"))
        person.page.wait_for_timeout(500)
        found[kind] = Click(1000 * seconds, wire.now().since(before))
        person.page.keyboard.press("Control+z")
        person.wait_until(lambda: person.state("prompts") == [])
    return found


def large_volume() -> dict[str, float]:
    """Seconds from the start of the program to a page that takes clicks, and slices a second under the wheel."""
    import SimpleITK as sitk

    voxels = np.zeros((300, 512, 512), np.int16) - 1000
    k, j, i = np.ogrid[:300, :512, :512]
    voxels[((i - 256) / 180) ** 2 + ((j - 256) / 140) ** 2 + 0 * k < 1] = 40
    voxels += (37 * k + 11 * j + 7 * i).astype(np.int16) % 50
    with tempfile.TemporaryDirectory() as folder, _pages() as open_page:
        path = Path(folder) / "large.nrrd"
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path))
        begin = time.perf_counter()
        person, wire = open_page(ROOT, path)
        started, start = time.perf_counter() - begin, wire.now()
        person.page.mouse.move(*person.point_of("axial", 0.5, 0.5))
        person.page.wait_for_timeout(3000)
        before = wire.now()
        slices, sent = person.page.evaluate(_WHEEL), wire.now().since(before)
        return {
            "seconds until usable": started,
            "of the processor": start.cpu_ms / 1000,
            "slices a second": slices,
            "processor ms a picture": sent.cpu_ms / max(sent.pictures, 1),
        }


def summary(clicks: list[Click]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds, and medians of what was counted."""
    times = [click.milliseconds for click in clicks]
    counted = {
        name: float(np.median([getattr(click.counts, name) for click in clicks]))
        for name in ("cpu_ms", "pictures", "states", "bytes")
    }
    p95 = float(np.percentile(times, 95, method="nearest"))
    return {"clicks": len(times), "median_ms": float(np.median(times)), "p95_ms": p95} | counted


if __name__ == "__main__":
    sys.exit(main())
