"""Ranges, reparameterization, rounding: a float network becomes one of codes."""
