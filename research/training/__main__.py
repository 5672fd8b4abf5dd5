"""`python -m research.training`: prepare, train, finalize, report, curves, benchmark."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
