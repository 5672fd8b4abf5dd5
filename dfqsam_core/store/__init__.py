"""Files: packed models with their cards, and float checkpoints read without torch."""
