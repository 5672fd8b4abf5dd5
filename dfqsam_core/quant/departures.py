"""What `paper` does otherwise than the published script of DFQ-SAM; docs/how/method.md says it in the same words."""

from __future__ import annotations

PAPER_DEPARTURES = (
    "Labels evolve from SAM-Med2D's own masks: the published script's auxiliary segmenter, trained on patients, "
    "is not distributed; its pixel-wise cross-entropy is left out, too, unless one is given.",
    "Labels evolve at every 25th step of the first four fifths, not at every step of the first third.",
    "Masks are ranked by predicted IoU times agreement with the answer to their own box, not by the mean "
    "probability of a class, and join only where agreement with that answer and with clicks elsewhere is at least "
    "0.85 and the mask stands out from its surroundings by a standard deviation: the script has no threshold, as "
    "its segmenter was trained on what it looks for.",
    "A mask joins whole, at most two in a step and twelve in all, if it has 0.2 to 12 % of the image, fills at "
    "most 0.85 of its box and covers no label by half of the smaller; a label is drawn anew only where the "
    "model's answer is surer: the script paints masks over each other and stops each class at 12 %.",
    "The first labels are one to three star-shaped blobs of 0.3 to 8 % of the image, not one turned ellipse.",
    "Labels and image share one 256-pixel grid and are shifted alike, by up to 15 pixels in all three rounds: the "
    "script shifts a 224-pixel map by the same number, and by up to 30 pixels in the last round.",
    "Pixels are grey, stay in 0..1 and are normalised once: the script optimises outside the range that images "
    "can have. The learning rate is the same in grey values.",
    "Dice and soft IoU are means over the masks, not sums over all of them at once.",
    "The patch-similarity entropy compares all patches of an image, not those of a window; the diagonal is left "
    "out, and the kernel is as wide as the spacing of its ten nodes, at least 0.01: with the script's 0.01 half "
    "of the pairs lie near no node.",
    "Total variation is a root mean square, with the same target for each pixel, drawn anew in each step.",
    "Padding tokens are left out of calibration and of the patch-similarity entropy.",
    "Adapters are quantized and loaded strictly: the published script drops them silently.",
    "LayerNorm outputs keep a per-channel quantizer whose scales are folded into the weights: same codes, exact "
    "on padding and adapters.",
    "Zero points are whole numbers and zero has its own softmax code: sixteen levels where the script has seventeen.",
    "Ranges of weights are the best of three quantiles and of the full range, not of the quantiles alone.",
    "The mask decoder's weights have 8 bits and position tables 16: the script leaves both in float32.",
)
