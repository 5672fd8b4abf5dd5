"""Two thousand clicks can be taken back, and do not fill the memory meanwhile."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np

from dfqsam_core.volume import PointPrompt, SliceKey, Volume, VolumeGeometry, VolumeSession
from dfqsam_core.volume.session.history import History
from dfqsam_core.volume.session.session import SliceState
from dfqsam_core.volume.session.slice_predictor import SlicePrediction
from Testing.support.grey_predictor import MODEL, GreyPredictor

SIDE, CLICKS, MOST_BYTES = 512, 2000, 50 * 10**6


def prediction(n: int) -> SlicePrediction:
    """Discs that grow, with logits as noisy as a network's: smooth, but for the last bits."""
    rows, columns = np.indices((SIDE, SIDE))
    distance = np.hypot(rows - 250, columns - 200 - n % 50)
    masks = np.stack([distance < radius + n % 40 for radius in (60, 90, 120)])
    logits = np.stack([(120 - distance[::8, ::8]) / (6 + c) for c in range(3)])
    noise = np.random.default_rng(n).normal(0, 0.2, logits.shape)
    return SlicePrediction.of(masks, np.array([0.7, 0.9, 0.8], np.float32), (logits + noise).astype(np.float16))


def test_a_prediction_gives_back_what_it_was_made_of() -> None:
    masks = np.random.default_rng(0).random((3, 13, 9)) < 0.5
    logits = np.random.default_rng(1).normal(0, 9, (3, 64, 64)).astype(np.float16)
    logits[0, 0, :3] = [np.inf, -0.0, np.nan]
    found = SlicePrediction.of(masks, np.array([0.1, 0.9, 0.5], np.float32), logits)
    np.testing.assert_array_equal(found.low_res_masks.view(np.uint16), logits.view(np.uint16))
    for n in range(3):
        np.testing.assert_array_equal(found.with_choice(n).mask, masks[n])


def test_two_thousand_clicks_stay_small_and_are_taken_back_exactly() -> None:
    volume = Volume(np.zeros((3, SIDE, SIDE), np.int16), VolumeGeometry(np.eye(4), (SIDE, SIDE, 3)))
    session = VolumeSession(volume, MODEL, "600,200", predictor=GreyPredictor())
    session.add_segment(1, "liver")
    key = SliceKey("K", 1)
    some = [prediction(n) for n in range(4)]
    blobs = [(p.deflated_masks, p.deflated_logits) for p in some]
    tracemalloc.start()
    for n in range(CLICKS):
        # As if each were predicted anew: nothing is shared between them.
        made = some[n % 4]
        masks, logits = (bytes(bytearray(blob)) for blob in blobs[n % 4])
        new = SlicePrediction(masks, made.shape, made.predicted_iou.copy(), logits, made.low_res_side, n % 3)
        prompts = (PointPrompt((n % SIDE, 7, 1)),)
        session.apply(1, {key: SliceState(prompts, new)})
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < MOST_BYTES, f"{taken / 1e6:.0f} MB"
    for n in reversed(range(CLICKS - 3, CLICKS)):
        np.testing.assert_array_equal(session.mask(1, key), some[n % 4].with_choice(n % 3).mask)
        session.undo()


def test_the_oldest_actions_are_forgotten_when_there_are_very_many_steps() -> None:
    history: History[int] = History()
    for n in range(30):
        history.add([n] * 1000)
    taken = []
    while history.can_undo:
        *_, last = history.undo()
        taken.append(last)
    assert taken == list(range(29, 19, -1))
    history.add([7] * 20_000)
    assert len(list(history.undo())) == 20_000


def test_a_history_forgets_by_bytes() -> None:
    history: History[SliceState] = History()
    large = np.random.default_rng(0).normal(0, 9, (3, 256, 256)).astype(np.float16)
    made = SlicePrediction.of(np.zeros((3, 9, 9), bool), np.zeros(3, np.float32), large)
    state = SliceState((), made)
    assert state.kept_bytes > 300_000
    for _ in range(1500):
        history.add([state])
    kept = 0
    while history.can_undo:
        kept += len(list(history.undo()))
    assert kept == 250 * 10**6 // state.kept_bytes
