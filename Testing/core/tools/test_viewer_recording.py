"""The recording of the viewer: pictures of their own times, in a bounded file."""

from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from Testing.support.pages import ROOT
from tools import viewer_recording


def picture(seed: int) -> bytes:
    """A noisy PNG: it does not compress."""
    pixels = np.random.default_rng(seed).integers(0, 256, (720, 1280, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def test_pictures_follow_each_other_for_their_times() -> None:
    written = viewer_recording.animation([(picture(0), 1200), (picture(1), 160)])
    assert len(written) <= viewer_recording.MAX_BYTES
    image = Image.open(io.BytesIO(written))
    assert (image.n_frames, image.size, image.info["loop"]) == (2, viewer_recording.SIZE, 0)


def test_what_cannot_be_made_small_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_recording, "MAX_BYTES", 1000)
    with pytest.raises(SystemExit, match="Leave pictures out"):
        viewer_recording.animation([(picture(0), 100)])


def test_the_recording_of_the_first_page_is_bounded() -> None:
    path = ROOT / "docs/pictures/viewer.webp"
    assert path.stat().st_size <= viewer_recording.MAX_BYTES
    assert Image.open(path).n_frames > 10
