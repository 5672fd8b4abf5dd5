"""Two processes that share a batch learn what one process learns from it alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from dfqsam_core.errors import ConfigError  # noqa: E402
from research.tests.training.small_bank import write_small_bank  # noqa: E402
from research.training.checkpoints import load_shards  # noqa: E402
from research.training.parallel import Group  # noqa: E402

ROOT = Path(__file__).parents[3]


def a_free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def train_in(processes, bank, out):
    """Two steps of four images in two shares, by command, each process with the variables that torchrun gives."""
    command = [
        *(sys.executable, "-m", "research.training", "train", "tiny", "--random-start", "--device", "cpu"),
        *("--steps", "2", "--images", "4", "--shares", "2", "--prompts", "2", "--seed", "5"),
        *("--bank", str(bank), "--out", str(out), "--no-validation"),
    ]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(a_free_port()), "WORLD_SIZE": str(processes)}
    common |= {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": os.pathsep.join(sys.path)}
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    running = [subprocess.Popen(command, env={**os.environ, **common, **rank}, cwd=ROOT) for rank in ranks]
    assert [process.wait(timeout=300) for process in running] == [0] * processes
    return load_shards(out / "state")


@pytest.mark.skipif(sys.platform == "win32", reason="torch for Windows brings no launcher for several processes")
def test_two_processes_learn_what_one_learns(tmp_path):
    bank = write_small_bank(tmp_path / "bank.npz")
    (one, facts), (two, others) = (train_in(count, bank, tmp_path / f"by{count}") for count in (1, 2))
    assert facts["images"] == others["images"] == 8
    assert set(one) == set(two)
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=2e-5, msg=lambda text, n=name: f"{n}: {text}")
    assert max(float(value.abs().max()) for name, value in one.items() if name.startswith("adam.exp_avg/")) > 0


def test_shares_that_cannot_be_dealt_out_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="--shares a multiple of 2"):
        Group("cpu", shares=3)
