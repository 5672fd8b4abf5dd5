"""Record the browser viewer at work on the sample CT: a click, a propagation, a look through the slices, a 3D model.

    .venv-views/bin/python tools/viewer_recording.py --output docs/pictures/viewer.webp

In the environment of `make test-browser`, with the system's Chromium. The pictures follow each other as a person needs
them to; how long the program took is not shown. The animation stays below 2 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "DFQSAMSlicer")]

MAX_BYTES = 2_000_000
SIZE = (960, 540)
QUALITIES = (80, 60, 40, 20)
# Inside the liver, as shares of the axial view's sides.
LIVER = (0.33, 0.45)
Frame = tuple[bytes, int]


def main(argv: Sequence[str] | None = None) -> int:
    """Record and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs/pictures/viewer.webp")
    args = parser.parse_args(argv)
    with contextlib.ExitStack() as stack:
        frames = list(story(opened(stack)))
    written = animation(frames)
    args.output.write_bytes(written)
    print(f"{args.output}: {len(frames)} pictures, {len(written) / 1e6:.1f} MB")
    return 0


def opened(stack: contextlib.ExitStack) -> Any:
    """A person at the page of a viewer with the sample CT."""
    from playwright.sync_api import sync_playwright

    from dfqsam_core.resources import DEMO_VOLUME, resource_path
    from Testing.support.viewer import CHROMIUM_FLAGS, Person, ViewerProcess, chromium

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    viewer = ViewerProcess(Path(folder), resource_path(DEMO_VOLUME))
    stack.callback(viewer.stop)
    playwright = stack.enter_context(sync_playwright())
    browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
    return Person(browser.new_page(viewport={"width": 1280, "height": 720}), viewer.address)


def story(person: Any) -> Iterator[Frame]:
    """Pictures (PNG) with the milliseconds that each is shown."""
    person.wait_until_idle()
    person.do("go", "axial", 16)
    person.page.wait_for_timeout(500)
    yield person.page.screenshot(), 1200
    person.tool("positive")
    person.page.mouse.move(*person.point_of("axial", *LIVER))
    person.page.wait_for_timeout(300)
    yield person.page.screenshot(), 800
    person.page.mouse.down()
    person.page.mouse.up()
    person.wait_until(lambda: person.state("prompts") and not person.state("is_working"))
    person.page.wait_for_timeout(2000)
    yield person.page.screenshot(), 1500
    person.page.keyboard.press("g")
    person.wait_until(lambda: person.state("is_working"))
    person.wait_until(lambda: not person.state("is_working"))
    person.page.wait_for_timeout(1000)
    for index in (*range(16, 24), *range(23, 9, -1), *range(9, 17)):
        person.do("go", "axial", index)
        person.page.wait_for_timeout(250)
        yield person.page.screenshot(), 160
    person.page.keyboard.press("v")
    person.wait_until(lambda: person.state("surface_shown"))
    person.page.wait_for_timeout(3000)
    yield person.page.screenshot(), 3000


def animation(frames: Sequence[Frame]) -> bytes:
    """The pictures as one animated WebP that repeats, in the best quality below MAX_BYTES."""
    from PIL import Image

    pictures = [Image.open(io.BytesIO(png)).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS) for png, _ in frames]
    for quality in QUALITIES:
        buffer = io.BytesIO()
        durations = [milliseconds for _, milliseconds in frames]
        options = {"quality": quality, "method": 6, "duration": durations, "loop": 0}
        pictures[0].save(buffer, "WEBP", save_all=True, append_images=pictures[1:], **options)
        if buffer.tell() <= MAX_BYTES:
            return buffer.getvalue()
    raise SystemExit(f"The animation has {buffer.tell()} bytes in the lowest quality. Leave pictures out.")


if __name__ == "__main__":
    sys.exit(main())
