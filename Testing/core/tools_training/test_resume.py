from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skimage")

from tools.train_demo_model.bank import BankScan, load_bank, save_bank  # noqa: E402
from tools.train_demo_model.checkpoints import load_shards, save_shards  # noqa: E402
from tools.train_demo_model.train import Plan, train  # noqa: E402


@pytest.fixture
def a_bank(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.zeros((3, 6, 40, 40), np.uint8)
    labels[:, :, 8:30, 10:32] = 1
    image = (rng.integers(0, 200, (6, 40, 40)) + 600 * labels[0].astype(int)).astype(np.int16)
    scan = BankScan("cube", "MR", image, labels, (3.0, 1.0, 1.0), "acs", 1.0, (0.8, 0.1, 0.1), "made here")
    path = tmp_path / "bank.npz"
    save_bank(path, [scan])
    return path


def a_plan(bank, out, time_limit_s=1e9, steps=3):
    return Plan(
        kind="tiny", steps=steps, images=3, prompts=2, seed=5, out=out, bank=bank, validation=None, weights=None,
        device="cpu", time_limit_s=time_limit_s, save_every_s=0.0, validate_every_s=1e9, shard_mib=2.0, compile=False,
    )  # fmt: skip


def test_a_bank_is_read_as_it_was_saved(a_bank):
    (scan,) = load_bank(a_bank)
    assert (scan.name, scan.spacing_mm, scan.channels, scan.flat) == ("cube", (3.0, 1.0, 1.0), (0.8, 0.1, 0.1), False)
    assert scan.image.dtype == np.int16
    assert scan.labels.shape == (3, 6, 40, 40)


def test_a_killed_training_goes_on_bit_for_bit(a_bank, tmp_path, monkeypatch):
    train(a_plan(a_bank, tmp_path / "whole"))
    stop_after_two_steps(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(a_plan(a_bank, tmp_path / "killed"))
    monkeypatch.undo()
    assert load_shards(tmp_path / "killed" / "state")[1]["step"] == 1
    train(a_plan(a_bank, tmp_path / "killed"), resume=True)
    whole, resumed = (load_shards(tmp_path / name / "state")[0] for name in ("whole", "killed"))
    assert set(whole) == set(resumed)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def stop_after_two_steps(monkeypatch):
    from tools.train_demo_model import train as module

    original, calls = module.Training.step, []

    def step(self):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(module.Training, "step", step)


def test_shards_stay_below_their_limit_and_are_replaced_as_a_whole(tmp_path):
    tensors = {f"t{n}": torch.full((300_000,), float(n)) for n in range(5)}
    save_shards(tmp_path / "state", tensors, {"step": 1}, 2.5)
    save_shards(tmp_path / "state", tensors, {"step": 2}, 2.5)
    parts = list((tmp_path / "state").glob("part*"))
    assert len(parts) == 3
    assert max(part.stat().st_size for part in parts) < 2.5 * 2**20
    restored, facts = load_shards(tmp_path / "state")
    assert facts == {"step": 2}
    assert all(torch.equal(restored[name], tensors[name]) for name in tensors)


def test_a_missing_checkpoint_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="without --resume"):
        load_shards(tmp_path / "nothing")
