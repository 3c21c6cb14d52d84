"""What a run of the tests can be told."""

from __future__ import annotations

import os

#: Random environments of each variant, and random worlds, that the real programs are tried on. More take longer:
#: ``SIDECERT_EXAMPLES=300 make test`` is the full run.
EXAMPLES = int(os.environ.get("SIDECERT_EXAMPLES", "100"))
