"""What every room may use: outputs, interpolation, the machine."""
