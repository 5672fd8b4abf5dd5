"""Files in and out: volumes, prompts and label maps."""
