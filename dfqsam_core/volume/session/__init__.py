"""Prompts on one volume become masks: prediction, propagation, the states of slices."""
