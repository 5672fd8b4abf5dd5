"""`python -m dfqsam_core` is the same as the command `dfqsam`."""

import sys

from .cli.main import main

sys.exit(main())
