"""One page about one checkpoint: quantized, measured on labelled data and timed, to be sent to whoever asks."""
