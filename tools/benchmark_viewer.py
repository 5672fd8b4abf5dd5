"""From the click to the mask on the screen: the viewer's times in a real browser, with every part of it running.

python tools/benchmark_viewer.py --clicks 50 --report viewer.json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
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
_PLACES = ((0.33, 0.45), (0.36, 0.40))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=50, help="of each kind (default 50)")
    parser.add_argument("--report", type=Path)
    parser.add_argument("-m", "--model", type=Path, help="default: the embedded model")
    args = parser.parse_args(argv)
    times = measure(args.clicks, args.model)
    result = {kind: summary(found) for kind, found in times.items()}
    for kind, row in result.items():
        print(
            f"{kind}: median {row['median_ms']:.0f} ms, 95th percentile {row['p95_ms']:.0f} ms, {row['clicks']} clicks"
        )
    if args.report:
        args.report.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(clicks: int, model: Path | None) -> dict[str, list[float]]:
    """Seconds of first clicks (on a slice that was never encoded) and second ones (on one that was)."""
    from playwright.sync_api import sync_playwright

    from dfqsam_core.resources import DEMO_VOLUME, resource_path
    from Testing.support.viewer import CHROMIUM_FLAGS, Person, ViewerProcess, chromium

    times: dict[str, list[float]] = {"first click": [], "second click": []}
    options = ["-m", model.resolve()] if model else []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        viewer = ViewerProcess(Path(folder), resource_path(DEMO_VOLUME), *options)
        stack.callback(viewer.stop)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        person = Person(browser.new_page(viewport={"width": 1280, "height": 720}), viewer.address)
        person.wait_until_idle()
        # Measured without encoding ahead: a person who waits a moment on a slice has the time of a second click.
        person.do("encode ahead", False)
        person.tool("positive")
        while len(times["first click"]) < clicks:
            _measure_slice(person, len(times["first click"]), times)
    return times


def _measure_slice(person: Any, round_number: int, times: dict[str, list[float]]) -> None:
    """Two clicks on one slice, each taken back; the window changes with each pass, so that a slice is new again."""
    slices = range(4, 26)
    if round_number % len(slices) == 0:
        person.do("window", f"{400 + round_number},40")
        person.page.wait_for_timeout(1000)
    person.do("go", "axial", slices[round_number % len(slices)])
    for kind, place in zip(times, _PLACES, strict=True):
        person.page.wait_for_timeout(700)
        person.page.mouse.move(*person.point_of("axial", *place))
        person.page.wait_for_timeout(300)
        person.page.evaluate(_WATCH, ["axial", *place])
        person.page.mouse.down()
        person.page.mouse.up()
        seconds = person.page.evaluate("window.seconds")
        if seconds < 0:
            raise RuntimeError("A click was not answered within 20 s.")
        times[kind].append(seconds)
        person.wait_until(lambda: not person.state("is_working"))
        person.page.keyboard.press("Control+z")
        person.wait_until(lambda: person.state("prompts") == [])


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds, and how many there were."""
    p95 = np.percentile(seconds, 95, method="nearest")
    return {"clicks": len(seconds), "median_ms": 1000 * float(np.median(seconds)), "p95_ms": 1000 * float(p95)}


if __name__ == "__main__":
    sys.exit(main())
