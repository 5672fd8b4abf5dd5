"""A study, not a part of the product: the quantizers of `dfqsam_core.quant` on MobileSAM, simulated in torch."""
