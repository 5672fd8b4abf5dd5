"""From a training folder to a checkpoint file, and from a checkpoint file to its tables and pictures."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.model.sam_med2d import SamMed2D
from dfqsam_core.store.file_identity import FileSource

from .checkpoints import half, load_shards
from .evaluate import evaluate, summary, table
from .initial import start
from .norms import channel_spread
from .pictures import draw_answers
from .validation import PROTOCOLS, load_validation


def finalize(training: Path, base: Path | None, out: Path) -> str:
    """Write the float16 checkpoint `out` from the averaged weights of a training folder; returns the kind of network.

    base: the file a laboratory training started from; it supplies what was not trained.
    """
    _, facts = load_shards(training / "average")
    kind = str(facts["kind"])
    model, weights = start(kind, training / "average", base)
    said = {"format": "pt", "use": "demonstration only, not for clinical use", "images": str(weights.images)}
    with atomic_output(out, force=True) as path:
        save_file(half(model.state_dict()), path, metadata=said)
    return kind


def report(checkpoint: Path, kind: str, validation: Path, out: Path, repeats: int, device: str) -> None:
    """Measure a checkpoint file; writes NAME.report.md, NAME.report.json and pictures of answers into folder `out`."""
    model, weights = start(kind, checkpoint)
    model.to(device).eval()
    out.mkdir(parents=True, exist_ok=True)
    source = FileSource.of(checkpoint)
    facts: dict[str, object] = {
        "kind": kind,
        "images": weights.images,
        "sha256": source.sha256,
        "bytes": source.bytes,
        "parameters": sum(value.numel() for value in weights.tensors.values()),
    }
    text = [f"# {checkpoint.stem}", "", "```json", json.dumps(facts, indent=1), "```"]
    for protocol in PROTOCOLS:
        facts[protocol], lines = _measured(model, protocol, validation, out / checkpoint.stem, repeats)
        text += ["", f"## Validation Dice, slices {protocol}", "", lines]
    spread = channel_spread(model, load_validation(validation, PROTOCOLS[0]))
    facts["layer_norm_spread"] = spread
    heading = "## LayerNorm outputs: largest over median channel range"
    text += ["", heading, "", "```json", json.dumps(spread, indent=1), "```"]
    (out / f"{checkpoint.stem}.report.json").write_text(json.dumps(facts, indent=1))
    (out / f"{checkpoint.stem}.report.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


def _measured(
    model: SamMed2D, protocol: str, validation: Path, prefix: Path, repeats: int
) -> tuple[dict[str, float], str]:
    cases = load_validation(validation, protocol)
    answers = evaluate(model, cases, repeats=repeats)
    for prompt in ("box", "1pt"):
        draw_answers(prefix.with_name(f"{prefix.name}_{protocol}_{prompt}.png"), cases, answers, prompt)
    return summary(answers), table(answers)
