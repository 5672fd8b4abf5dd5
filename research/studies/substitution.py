"""Where does a 4-bit model lose? Parts of it are put back into float, one kind at a time. Writes a table.

Run: python -m research.studies.substitution MODEL --reference FLOAT --data DIR [--data DIR] --output FILE.md

The encoder runs in torch, in the arithmetic of the packed file, and every line answers the same clicks. Only parts that
begin and end in tensors which no rescaling of channels changes can be put back whole; codes can be left out anywhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.errors import DFQSAMError
from dfqsam_core.evaluate import LabelledSlice, Sampling, dice
from dfqsam_core.evaluate.evaluator import load_labelled
from dfqsam_core.evaluate.layer_noise import check_parts, decibels
from dfqsam_core.evaluate.metrics import mean_interval, points
from dfqsam_core.evaluate.trials import trials_of
from dfqsam_core.model import SamMed2D
from dfqsam_core.model.image_encoder import ImageEncoder
from dfqsam_core.quant.calibration.quantized_layers import QuantizedLayer, replace_module
from dfqsam_core.quant.reference import load_reference
from dfqsam_core.runtime import Model, SamPredictor, load_model
from dfqsam_core.runtime.preprocess import network_pixels
from dfqsam_core.store.model_file import StoredModel, read_model

KIND, SEED = "1pt", 0
Change = Callable[[ImageEncoder, ImageEncoder], None]
Answers = dict[tuple[str, int, str], list[np.ndarray]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the table; return 0, or 2 when something cannot be read or written."""
    args = parse(arguments)
    try:
        check_parts(args.model, args.reference)
        slices, _ = load_labelled(args.data, Sampling(every=args.every))
        study = Study(args.model, args.reference, slices, args.draws)
        with atomic_output(args.output, force=True) as temporary:
            temporary.write_text("\n".join(study.table()) + "\n", encoding="utf-8")
    except DFQSAMError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args(arguments)


class Study:
    """A packed model, its float reference, and slices that both are asked about."""

    def __init__(self, model: Path, reference: Path, slices: Sequence[LabelledSlice], draws: int) -> None:
        self.packed: StoredModel = read_model(model)
        self.slices, self.draws = slices, draws
        self.exact = SamMed2D.from_checkpoint(reference)
        self.decoders = {name: load_model(path, threads=1) for name, path in (("packed", model), ("float", reference))}
        size = self.exact.architecture.image_size
        images = [torch.from_numpy(network_pixels(item.image, size, "RGB")) for item in slices]
        self.pixels = self.exact.normalize(torch.stack(images).permute(0, 3, 1, 2).float())

    def table(self) -> Iterator[str]:
        """The lines of the table: the whole model first."""
        yield "| in float | embedding, dB | 1pt drop | 1pt same |"
        yield "|---|---|---|---|"
        true = self.embeddings(self.exact.image_encoder)
        expected = self.answers(true, self.decoders["float"])
        coded = self.embeddings(self.changed(lambda encoder, exact: None))
        yield self.line("nothing", coded, true, self.answers(coded, self.decoders["packed"]), expected)
        yield self.line("encoder", true, true, self.answers(true, self.decoders["packed"]), expected)
        for name, change in CHANGES.items():
            print(name, file=sys.stderr)
            found = self.embeddings(self.changed(change))
            yield self.line(name, found, true, self.answers(found, self.decoders["float"]), expected)

    def changed(self, change: Change) -> ImageEncoder:
        """The packed model's encoder with something put back."""
        encoder = load_reference(self.packed).image_encoder
        change(encoder, self.exact.image_encoder)
        return encoder

    def embeddings(self, encoder: ImageEncoder) -> Tensor:
        """Of all slices."""
        with torch.no_grad():
            return torch.cat([encoder(part) for part in self.pixels.split(4)])

    def answers(self, embeddings: Tensor, decoder: Model) -> Answers:
        """The answer to each click, draws of an object together."""
        predictor, found = SamPredictor(decoder), Answers()
        for item, embedding in zip(self.slices, embeddings.numpy(), strict=True):
            predictor.set_image_embedding(embedding[None], (item.image.shape[0], item.image.shape[1]))
            for trial in trials_of(item, (KIND,), self.draws):
                found.setdefault((item.case, item.index, trial.name), []).append(trial.run(predictor, SEED))
        return found

    def line(self, name: str, embeddings: Tensor, true: Tensor, found: Answers, expected: Answers) -> str:
        """One line of the table."""
        targets = {(item.case, item.index, label): mask for item in self.slices for label, mask in item.masks.items()}
        drops = [
            np.mean(
                [dice(e, targets[key]) - dice(f, targets[key]) for e, f in zip(expected[key], found[key], strict=True)]
            )
            for key in expected
        ]
        same = np.mean([dice(e, f) for key in expected for e, f in zip(expected[key], found[key], strict=True)])
        lost = points(asdict(mean_interval(np.array(drops))))
        return f"| {name} | {decibels(true, embeddings):.1f} | {lost} | {same:.3f} |"


class FloatInput(nn.Module):
    """A quantized layer whose input stays float."""

    def __init__(self, layer: QuantizedLayer) -> None:
        super().__init__()
        self.coded = layer
        self.bias = layer.bias  # attention reads the bias of qkv for its padding tokens

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output on x without codes."""
        quantizer = self.coded.input_quantizer
        scale = quantizer.scale if isinstance(self.coded.layer[0], nn.Linear) else quantizer.scale.view(-1, 1, 1)
        quantizer.centred_codes = lambda values: values / scale  # type: ignore[method-assign]
        try:
            return self.coded(x)
        finally:
            del quantizer.centred_codes


def part(name: str) -> Change:
    """Put part `name` of each block back."""

    def change(encoder: ImageEncoder, exact: ImageEncoder) -> None:
        for block, original in zip(encoder.blocks, exact.blocks, strict=True):
            if hasattr(original, name):
                setattr(block, name, getattr(original, name))

    return change


def inputs(*endings: str) -> Change:
    """Leave out the codes of the inputs of layers by the end of their names."""

    def change(encoder: ImageEncoder, exact: ImageEncoder) -> None:
        for path, module in list(encoder.named_modules()):
            if isinstance(module, QuantizedLayer) and path.endswith(endings):
                replace_module(encoder, path, FloatInput(module))

    return change


def products(encoder: ImageEncoder, exact: ImageEncoder) -> None:
    """Leave out the codes of queries, keys, values and softmax."""
    for block in encoder.blocks:
        attention = block.attn
        attention.query, attention.key, attention.value = nn.Identity(), nn.Identity(), nn.Identity()
        attention.softmax = nn.Softmax(dim=-1)


CHANGES: dict[str, Change] = {
    "attention (qkv, products, proj)": part("attn"),
    "MLP": part("mlp"),
    "adapter": part("Adapter"),
    "codes of q, k, v and softmax": products,
    "input codes of qkv": inputs("attn.qkv"),
    "input codes of proj": inputs("attn.proj"),
    "input codes of lin1": inputs("mlp.lin1"),
    "input codes of lin2": inputs("mlp.lin2"),
    "input codes of the adapter's convolutions": inputs("spatial.0", "spatial.2"),
}


if __name__ == "__main__":
    sys.exit(main())
