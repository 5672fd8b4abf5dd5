"""The pixel statistics that SAM and SAM-Med2D normalise with, on the 0..255 scale."""

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
