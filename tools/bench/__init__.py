"""What docs/measured/performance.md measures a model against: rival forms of the float network, lesser processors."""
