"""Slicer's scene without Qt and without a page: the Slicer module and the browser viewer both stand on it."""
