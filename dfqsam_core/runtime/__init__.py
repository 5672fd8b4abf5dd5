"""Runs one slice: the inference graph of a packed or float model, SAM's predictor, the cache of embeddings."""

from __future__ import annotations

from .embedding_cache import EmbeddingCache
from .model import Model, load_model
from .predictor import SamPredictor, best_mask

__all__ = ["EmbeddingCache", "Model", "SamPredictor", "best_mask", "load_model"]
