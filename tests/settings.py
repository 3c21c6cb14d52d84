"""What a run of the tests can be told."""

from __future__ import annotations

import os

#: Random environments of each variant, and random worlds, that the real programs are tried on: three minutes on two
#: cores. ``SIDECERT_EXAMPLES=20 make test`` is quick.
EXAMPLES = int(os.environ.get("SIDECERT_EXAMPLES", "300"))
