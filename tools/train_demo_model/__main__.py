"""`python -m tools.train_demo_model`: bank, init, train, evaluate, finalize."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
