from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skimage")

from dfqsam_core.errors import CheckpointError  # noqa: E402
from research.tests.training.small_bank import write_small_bank  # noqa: E402
from research.training.bank import load_bank  # noqa: E402
from research.training.checkpoints import load_shards, save_shards  # noqa: E402
from research.training.train import Plan, train  # noqa: E402


@pytest.fixture
def a_bank(tmp_path):
    return write_small_bank(tmp_path / "bank.npz")


def a_plan(bank, out, **changed):
    plan = Plan(
        kind="tiny", steps=3, images=3, prompts=2, seed=5, out=out, bank=bank, validation=None, weights=None, base=None,
        rate=1.0, frozen_blocks=0, device="cpu", time_limit_s=1e9, save_every_s=0.0, validate_every_s=1e9,
    )  # fmt: skip
    return replace(plan, **changed)


def test_a_bank_is_read_as_it_was_saved(a_bank):
    (scan,) = load_bank(a_bank)
    assert (scan.name, scan.spacing_mm, scan.channels, scan.flat) == (
        "cube",
        (3.0, 1.0, 1.0),
        (0.8, 0.1, 0.1, 0.0),
        False,
    )
    assert scan.image.dtype == np.int16
    assert scan.labels.shape == (4, 6, 40, 40)


def test_a_killed_training_goes_on_bit_for_bit(a_bank, tmp_path, monkeypatch):
    train(a_plan(a_bank, tmp_path / "whole"))
    with monkeypatch.context() as patch:
        stop_after_two_steps(patch)
        with pytest.raises(KeyboardInterrupt):
            train(a_plan(a_bank, tmp_path / "killed"))
    assert load_shards(tmp_path / "killed" / "state")[1]["step"] == 1
    train(a_plan(a_bank, tmp_path / "killed"), resume=True)
    whole, resumed = (load_shards(tmp_path / name / "state")[0] for name in ("whole", "killed"))
    assert set(whole) == set(resumed)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_training_that_is_done_takes_no_further_step(a_bank, tmp_path):
    train(a_plan(a_bank, tmp_path / "run", steps=1))
    train(a_plan(a_bank, tmp_path / "run", steps=1), resume=True)
    assert load_shards(tmp_path / "run" / "state")[1]["step"] == 1


def test_a_training_by_the_clock_ends_and_says_so_even_where_starting_took_all_its_time(a_bank, tmp_path):
    train(a_plan(a_bank, tmp_path / "run", steps=None, time_limit_s=1e-3))
    facts = load_shards(tmp_path / "run" / "state")[1]
    assert (facts["step"], facts["steps"]) == (0, None)
    with pytest.raises(CheckpointError, match="is of a tiny training by the clock, not of a tiny training of 3 steps"):
        train(a_plan(a_bank, tmp_path / "run"), resume=True)


def test_a_training_goes_on_from_an_average_which_holds_the_complete_network(a_bank, tmp_path):
    first, second = (a_plan(a_bank, tmp_path / name, steps=1) for name in ("first", "second"))
    train(first)
    train(replace(second, weights=tmp_path / "first" / "average", rate=0.5))
    averages = [load_shards(tmp_path / name / "average") for name in ("first", "second")]
    fixed = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    assert torch.equal(averages[0][0][fixed], averages[1][0][fixed])
    assert [facts["images"] for _, facts in averages] == [3, 6]


def test_frozen_blocks_stay_as_they_were(a_bank, tmp_path):
    for name, steps in (("before", 1), ("after", 2)):
        train(a_plan(a_bank, tmp_path / name, steps=steps, frozen_blocks=1, time_limit_s=1e9))
    before, after = (load_shards(tmp_path / name / "average")[0] for name in ("before", "after"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(
        name.startswith(("image_encoder.blocks.0.", "image_encoder.patch", "image_encoder.pos")) for name in changed
    )
    assert any(name.startswith("image_encoder.blocks.1.") for name in changed)


def stop_after_two_steps(monkeypatch):
    from research.training import train as module

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


@pytest.mark.parametrize("other", [{"steps": 4}, {"kind": "demonstration"}, {"frozen_blocks": 1}])
def test_a_training_goes_on_under_its_own_plan_alone(a_bank, tmp_path, other):
    train(a_plan(a_bank, tmp_path / "run", steps=1))
    with pytest.raises(CheckpointError, match="is of a tiny training of 1 steps"):
        train(a_plan(a_bank, tmp_path / "run", **{"steps": 1, **other}), resume=True)


def test_a_missing_checkpoint_says_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match="without --resume"):
        load_shards(tmp_path / "nothing")
