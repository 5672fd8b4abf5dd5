"""Trains the demonstration and the laboratory model; not installed with the package."""
