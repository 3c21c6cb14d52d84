"""What a run of the tests can be told."""

from __future__ import annotations

import os

#: Random environments of each variant, and random worlds, that the real programs are tried on: two minutes on two
#: cores. ``SIDECERT_EXAMPLES=20 make test`` is quick.
EXAMPLES = int(os.environ.get("SIDECERT_EXAMPLES", "200"))

#: Random environments of each variant that each Helm renders, and as many hostile ones: most of a minute on two cores.
#: ``SIDECERT_EXAMPLES=3000``, or this one at 1000, is the full run: a quarter of an hour.
HELM_EXAMPLES = int(os.environ.get("SIDECERT_HELM_EXAMPLES", str(-(-EXAMPLES // 3))))
