"""Real victoria-metrics on prometheus.yml exactly as rendered, against a fake Kubernetes API.

It asks the API as a pod does: the address from its environment, the token and the root certificate from
/var/run/secrets/kubernetes.io/serviceaccount. Those lie in a mount namespace of its own, which nobody else sees.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from tests.e2e.kubernetes import KubernetesApi
from tests.e2e.processes import Process, free_port
from tests.e2e.prometheus import Scraper
from tests.tools import ToolError, program

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"

#: What its log says once it has read the configuration and listed what discovery asks for.
_DISCOVERS = "started service discovery routines"

#: $1 is the folder of the account's files, the rest the program. /run is a memory file system in this namespace alone.
_AS_IN_A_POD = f"""
set -e
mount -t tmpfs lab "$(readlink -f /var/run)"
mkdir -p {_ACCOUNT}
cp "$1"/* {_ACCOUNT}
shift
exec "$@"
"""


class VictoriaMetrics(Scraper):
    """A running victoria-metrics, ready to answer.

    Version 1.79 doesn't know the relabelling action keepequal: render with ``scrape.containerLabel: false``. It doesn't
    start at all where a job's certificate files are missing.
    """

    def __init__(self, config: str, api: KubernetesApi, folder: Path) -> None:
        """Start victoria-metrics and wait until it has asked the API; its first targets are there a moment later.

        Args:
            config: prometheus.yml as rendered.
            api: what it asks.
            folder: an empty one for its configuration, data and log, not below /run.

        Raises:
            ToolError: the machine lets us have no mount namespace.
            ProcessError: it ended, as it does where it refuses the configuration, or is not ready in time.
            ValueError: the folder is below /run.
        """
        if folder.resolve().is_relative_to(Path("/var/run").resolve()):
            raise ValueError(f"{folder} would be hidden from victoria-metrics: choose one that is not below /run")
        (folder / "prometheus.yml").write_text(config)
        account = folder / "account"
        account.mkdir(exist_ok=True)
        for name, text in {"token": api.token, "ca.crt": api.certificate, "namespace": "monitoring"}.items():
            (account / name).write_text(text)
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        self.process = Process(
            [
                *mount_namespace(),
                "sh",
                "-c",
                _AS_IN_A_POD,
                "sh",
                account,
                program("victoria-metrics"),
                f"-promscrape.config={folder}/prometheus.yml",
                "-promscrape.config.strictParse=false",  # it doesn't know enable_http2
                "-promscrape.kubernetesSDCheckInterval=1s",
                "-promscrape.suppressDuplicateScrapeTargetErrors",  # several ports of a pod may become the same target
                f"-storageDataPath={folder}/data",
                f"-httpListenAddr={address}",
                "-enableTCP6",
                "-memory.allowedBytes=128MiB",
                "-search.latencyOffset=0s",
            ],
            folder / "victoria-metrics.log",
            name="victoria-metrics",
            environment={"KUBERNETES_SERVICE_HOST": api.host, "KUBERNETES_SERVICE_PORT": str(api.port)},
        )
        # It answers before it reads the configuration, which it may refuse.
        log = self.process.log
        self.process.wait_until(lambda: _DISCOVERS in log.read_text(errors="replace"), what="discovering targets")


@cache
def mount_namespace() -> tuple[str, ...]:
    """Give the command that runs another in a mount namespace of its own: as root, or as a user who looks like root.

    Raises:
        ToolError: the machine allows neither.
    """
    refusals = []
    for command in (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")):
        try:
            done = subprocess.run(
                [*command, "sh", "-c", 'mount -t tmpfs lab "$(readlink -f /var/run)"'], capture_output=True, text=True
            )
        except FileNotFoundError as error:
            raise ToolError("unshare is missing: install util-linux") from error
        if done.returncode == 0:
            return command
        refusals.append(f"{' '.join(command)}: {done.stderr.strip()}")
    raise ToolError("victoria-metrics needs a mount namespace, and this machine allows none: " + "; ".join(refusals))
