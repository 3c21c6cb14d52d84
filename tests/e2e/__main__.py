"""Keep a lab up, ``python -m tests.e2e ENV``: a mesh, and Prometheus on what the environment renders."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.e2e.lab import Lab, of_pods
from tests.e2e.pods import scenario
from tests.rendering import sample_names, sample_values

_EVERY = 30.0


def main(arguments: list[str]) -> int:
    """Run until interrupted; give the exit code: 2 for an environment that isn't there."""
    known = list(sample_names())
    name = arguments[0] if arguments else known[0]
    if name not in known:
        print(f"error: there is no environment '{name}'; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background lets it be ignored
    values = sample_values(name)
    mode = values["istio"]["mtlsMode"]
    with (
        suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory(prefix="sidecert-lab-") as folder,
        Lab(Path(folder), lambda network: scenario(network, mode), every=_EVERY) as lab,
    ):
        prometheus = lab.prometheus(values)
        print(f"Prometheus of {name}: {prometheus.url}/targets", flush=True)
        print(f"  {len(lab.pods)} pods of a {mode} mesh; its certificate is renewed every {_EVERY:g} s in")
        print(f"  {lab.certificates}")
        print(f"  sidecert verify --url {prometheus.url}")
        print("Ctrl-C ends it.", flush=True)
        while prometheus.process.running:
            time.sleep(5)
            targets = of_pods(prometheus.targets())
            up = sum(target.health == "up" for target in targets)
            print(f"\r{up} of {len(targets)} targets up ", end="", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
