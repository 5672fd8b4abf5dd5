"""What synthesis is worth: the same calibration on images that were made in different ways."""
