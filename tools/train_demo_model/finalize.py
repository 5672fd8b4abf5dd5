"""From a training folder to a checkpoint file, its tables and its pictures."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from dfqsam_core.model.sam_med2d import SamMed2D
from dfqsam_core.outputs import atomic_output

from .checkpoints import load_shards
from .evaluate import evaluate, summary, table
from .initial import start
from .norms import channel_spread
from .pictures import draw_answers
from .validation import PROTOCOLS, load_validation
from .weights import sha256_of


def finalize(training: Path, base: Path | None, validation: Path, out: Path, repeats: int, device: str) -> None:
    """Write the float16 checkpoint `out`, and beside it NAME.report.md, NAME.report.json and pictures of answers."""
    model, facts = averaged_model(training, base)
    tensors = {name: value.to(torch.float16).contiguous() for name, value in model.state_dict().items()}
    with atomic_output(out, force=True) as path:
        save_file(tensors, path, metadata=_metadata(facts))
    # What is measured is what was written: the rounded weights.
    model.load_state_dict({name: value.float() for name, value in tensors.items()})
    model.to(device).eval()
    report = dict(facts) | {
        "sha256": sha256_of(out),
        "bytes": out.stat().st_size,
        "parameters": sum(value.numel() for value in tensors.values()),
    }
    text = [f"# {out.stem}", "", "```json", json.dumps(report, indent=1), "```"]
    for protocol in PROTOCOLS:
        cases = load_validation(validation, protocol)
        answers = evaluate(model, cases, repeats=repeats)
        report[protocol] = summary(answers)
        text += ["", f"## Validation Dice, slices {protocol}", "", table(answers)]
        for prompt in ("box", "1pt"):
            draw_answers(out.with_name(f"{out.stem}_{protocol}_{prompt}.png"), cases, answers, prompt)
    spread = channel_spread(model, load_validation(validation, PROTOCOLS[0]))
    report["layer_norm_spread"] = spread
    heading = "## LayerNorm outputs: largest over median channel range"
    text += ["", heading, "", "```json", json.dumps(spread, indent=1), "```"]
    out.with_name(f"{out.stem}.report.json").write_text(json.dumps(report, indent=1))
    out.with_name(f"{out.stem}.report.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


def _metadata(facts: dict[str, object]) -> dict[str, str]:
    return {"format": "pt", "use": "demonstration only, not for clinical use", "images": str(facts["images"])}


def averaged_model(training: Path, base: Path | None) -> tuple[SamMed2D, dict[str, object]]:
    """The network of a training folder with its averaged weights, and the facts of the checkpoint.

    base: the file a laboratory training started from; it supplies what was not trained.
    """
    _, facts = load_shards(training / "average")
    model, _ = start(str(facts["kind"]), training / "average", base)
    return model.eval(), facts
