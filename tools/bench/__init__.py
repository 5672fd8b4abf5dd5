"""What a model is measured against for docs/performance.md: rival forms of the float network, lesser processors."""
