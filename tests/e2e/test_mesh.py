"""The lab's mesh does what a mesh does: who is let in, what is agreed on, what is refused and how."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from tests.e2e.agent import CHAIN, KEY, ROOT, Agent
from tests.e2e.applications import Applications, Asked
from tests.e2e.certificates import Authority, Credentials
from tests.e2e.discovery import as_modelled
from tests.e2e.envoy import ISTIO_ALPN, Mesh
from tests.e2e.pods import (
    AGENT_PORT,
    SECURE_ENVOY_PORT,
    SECURE_MERGED_PORT,
    Container,
    Pod,
    Port,
    expected_targets,
    istiod,
    many,
    outside,
    permissive,
    scenario,
    strict,
)
from tests.e2e.processes import (
    Process,
    ProcessError,
    answers,
    bound_by_modes,
    claimed_network,
    free_port,
)
from tests.scraping import scrape

#: What an HTTP/2 client begins with: the preface, and an empty SETTINGS frame.
H2_START = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"

#: What closing without a word looks like to the other side, by chance of timing.
CUT_OFF = (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError, BrokenPipeError)


class Answer(NamedTuple):
    """What came back over HTTP/1.1, and the protocol agreed on."""

    status: int
    body: str
    protocol: str | None


class Client:
    """Somebody with or without a certificate, who checks no names, as Prometheus with insecure_skip_verify."""

    def __init__(self, folder: Path, credentials: Credentials | None = None, alpn: tuple[str, ...] = ()) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        if credentials:
            chain, key = folder / "client-chain.pem", folder / "client-key.pem"
            chain.write_bytes(credentials.chain)
            key.write_bytes(credentials.key)
            self.context.load_cert_chain(chain, key)
        if alpn:
            self.context.set_alpn_protocols(list(alpn))

    def connect(self, pod: Pod, port: int) -> ssl.SSLSocket:
        plain = socket.create_connection((pod.ip, port), timeout=5)
        try:
            return self.context.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise

    def get(self, pod: Pod, port: int, path: str = "/metrics") -> Answer:
        with self.connect(pod, port) as connection:
            return ask(connection, path)._replace(protocol=connection.selected_alpn_protocol())

    def refusal(self, pod: Pod, port: int) -> str:
        """Give the TLS alert with which a connection is refused."""
        with pytest.raises(ssl.SSLError) as refused, self.connect(pod, port) as connection:
            connection.recv(1)  # nothing is written: what the server hasn't read would turn its alert into a reset
        return str(refused.value.reason)


def ask(connection: socket.socket, path: str) -> Answer:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n".encode())
    with connection.makefile("rb") as received:
        head, _, body = received.read().decode().partition("\r\n\r\n")
    if not head:
        raise ConnectionResetError("closed without an answer")
    return Answer(int(head.split(" ")[1]), body, None)


def get_in_cleartext(pod: Pod, port: int, path: str = "/metrics") -> Answer:
    with socket.create_connection((pod.ip, port), timeout=5) as connection:
        return ask(connection, path)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory, authority) -> Iterator[Mesh]:
    with claimed_network() as network, Mesh(scenario(network), tmp_path_factory.mktemp("mesh"), authority) as running:
        yield running


@pytest.fixture
def pod(mesh) -> Callable[[str], Pod]:
    """Give the pod of an app."""
    by_app = {pod.labels["app"]: pod for pod in mesh.pods}
    return lambda app: by_app[app]


@pytest.fixture
def member(tmp_path, authority) -> Client:
    """A workload of the mesh that is no sidecar, as Prometheus is."""
    return Client(tmp_path, authority.workload("monitoring", "prometheus"))


@pytest.fixture
def stranger(tmp_path) -> Client:
    """Somebody without a certificate."""
    return Client(tmp_path)


# ------------------------------------------------------------------------------------------------------ who is let in


@pytest.mark.parametrize("mode", ["STRICT", "PERMISSIVE"])
def test_every_target_that_must_be_up_answers_and_is_the_pod_that_was_asked(tmp_path, authority, member, mode):
    with claimed_network() as network, Mesh(scenario(network, mode), tmp_path / "mesh", authority) as mesh:
        targets = expected_targets(mesh.pods, secure_ports=True, envoy_stats=True)
        targets |= expected_targets(mesh.pods)
        asked = set()
        for _, url in targets:
            parts = urlsplit(url)
            assert parts.port
            owner = next(pod for pod in mesh.pods if url in pod.expected.values())
            get = member.get if parts.scheme == "https" else get_in_cleartext
            answer = get(owner, parts.port, parts.path)
            assert answer.status == 200, url
            assert f'asked_pod="{owner.name}",asked_port="{parts.port}"' in answer.body
            asked.add(Asked(owner.name, parts.port, parts.path))
        assert len(asked) > 20
        assert set(mesh.applications.scrapes) == asked
        assert set(mesh.applications.scrapes.values()) == {1}


def test_a_strict_port_refuses_a_client_without_a_certificate(pod, stranger):
    assert stranger.refusal(pod("productpage"), 9080) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def test_a_strict_port_refuses_a_certificate_of_another_root(pod, tmp_path):
    other = Authority().workload("monitoring", "prometheus")  # of the same names throughout
    assert Client(tmp_path, other).refusal(pod("productpage"), 9080) == "TLSV1_ALERT_UNKNOWN_CA"


def test_a_strict_port_refuses_an_expired_certificate(pod, tmp_path, authority):
    expired = authority.workload("monitoring", "prometheus", lifetime=3600, age=3601)
    assert Client(tmp_path, expired).refusal(pod("productpage"), 9080) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"


def test_a_certificate_is_taken_until_it_expires_and_no_longer(pod, tmp_path, authority):
    client = Client(tmp_path, authority.workload("monitoring", "prometheus", lifetime=3600, age=3598))
    assert client.get(pod("productpage"), 9080).status == 200
    time.sleep(3)
    assert client.refusal(pod("productpage"), 9080) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"


def test_a_strict_port_refuses_an_identity_of_another_trust_domain(pod, tmp_path, authority):
    assert foreign(tmp_path, authority).refusal(pod("productpage"), 9080) == "SSLV3_ALERT_CERTIFICATE_UNKNOWN"


def foreign(folder: Path, authority: Authority) -> Client:
    """A client whose certificate has the mesh's root, and an identity of another trust domain."""
    own, authority.trust_domain = authority.trust_domain, "elsewhere.example"
    try:
        return Client(folder, authority.workload("monitoring", "prometheus"))
    finally:
        authority.trust_domain = own


@pytest.mark.parametrize("app", ["productpage", "rabbitmq"], ids=["HTTP", "TCP"])
def test_a_strict_port_cuts_off_cleartext(pod, app):
    port = pod(app).containers[0].ports[0].number
    with pytest.raises(CUT_OFF):
        get_in_cleartext(pod(app), port)


def test_a_mesh_may_sign_with_an_intermediate(tmp_path):
    plugged = Authority(intermediate=True)
    client = Client(tmp_path, plugged.workload("monitoring", "prometheus"))
    with claimed_network() as network:
        target = strict("productpage", f"127.{network}.0.1")
        with Mesh([target], tmp_path / "mesh", plugged):
            assert client.get(target, 9080).status == 200


def test_a_pods_certificate_names_its_service_account_and_no_host(pod, member):
    with member.connect(pod("productpage"), 9080) as connection:
        shown = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    assert list(shown.subject) == []
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert [name.value for name in names.value] == ["spiffe://cluster.local/ns/bookinfo/sa/bookinfo-productpage"]


# ------------------------------------------------------------------------------------------------- what is agreed on


def test_a_tcp_port_agrees_on_http2_with_whoever_offers_it_and_its_application_hangs_up(mesh, pod, tmp_path, authority):
    credentials = authority.workload("monitoring", "prometheus")
    before = mesh.applications.noise[Asked(pod("rabbitmq").name, 9419, "")]
    with Client(tmp_path, credentials, ("h2", "http/1.1")).connect(pod("rabbitmq"), 9419) as connection:
        assert connection.selected_alpn_protocol() == "h2"
        connection.sendall(H2_START)
        assert received(connection) == b""
    assert mesh.applications.noise[Asked(pod("rabbitmq").name, 9419, "")] == before + 1


def received(connection: ssl.SSLSocket) -> bytes:
    """Give what comes back, empty if the connection is just closed."""
    try:
        return connection.recv(1024)
    except CUT_OFF:
        return b""


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)], ids=["nothing", "HTTP/1.1"])
def test_a_tcp_port_works_for_a_client_that_offers_no_http2(pod, tmp_path, authority, alpn):
    client = Client(tmp_path, authority.workload("monitoring", "prometheus"), alpn)
    assert client.get(pod("rabbitmq"), 9419).status == 200


@pytest.mark.parametrize(("app", "port"), [("productpage", 9080), ("etcd", 2381)], ids=["HTTP", "TCP"])
def test_http2_works_where_the_proxy_or_the_application_speaks_it(pod, tmp_path, authority, app, port):
    client = Client(tmp_path, authority.workload("monitoring", "prometheus"), ("h2", "http/1.1"))
    with client.connect(pod(app), port) as connection:
        assert connection.selected_alpn_protocol() == "h2"
        connection.sendall(H2_START)
        assert received(connection)[3:4] == b"\x04"  # a SETTINGS frame


def test_an_application_that_speaks_http2_is_told_apart_like_any_other(pod, member):
    assert f'asked_pod="{pod("etcd").name}",asked_port="2381"' in member.get(pod("etcd"), 2381).body


# --------------------------------------------------------------------------------------------------------- PERMISSIVE


@pytest.mark.parametrize("app", ["gateway-api", "mysqld-exporter"], ids=["HTTP", "TCP"])
def test_a_permissive_port_takes_cleartext(pod, app):
    assert get_in_cleartext(pod(app), 9080).status == 200


@pytest.mark.parametrize("app", ["gateway-api", "mysqld-exporter"], ids=["HTTP", "TCP"])
@pytest.mark.parametrize("alpn", ISTIO_ALPN)
def test_a_permissive_port_takes_mtls_from_whoever_announces_istio(pod, tmp_path, authority, app, alpn):
    client = Client(tmp_path, authority.workload("shop", "cart"), (alpn,))
    assert client.get(pod(app), 9080).status == 200


@pytest.mark.parametrize("app", ["gateway-api", "mysqld-exporter"], ids=["HTTP", "TCP"])
def test_a_permissive_port_demands_a_certificate_from_whoever_announces_istio(pod, tmp_path, app):
    assert Client(tmp_path, alpn=("istio",)).refusal(pod(app), 9080) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


@pytest.mark.parametrize("app", ["gateway-api", "mysqld-exporter"], ids=["HTTP", "TCP"])
@pytest.mark.parametrize("alpn", [(), ("h2", "http/1.1"), ("http/1.1",)], ids=["nothing", "both", "HTTP/1.1"])
def test_a_permissive_port_cuts_off_other_https_whatever_the_certificate(pod, tmp_path, authority, app, alpn):
    client = Client(tmp_path, authority.workload("monitoring", "prometheus"), alpn)
    with pytest.raises(CUT_OFF):
        client.get(pod(app), 9080)


def test_other_tls_reaches_the_application_of_a_permissive_tcp_port_and_none_of_an_http_port(mesh, pod, member):
    for app, reaches in (("mysqld-exporter", 1), ("gateway-api", 0)):
        asked = Asked(pod(app).name, 9080, "")
        before = mesh.applications.noise[asked]
        with pytest.raises(CUT_OFF):
            member.get(pod(app), 9080)
        assert mesh.applications.noise[asked] == before + reaches


def test_an_application_may_answer_tls_in_cleartext(tmp_path, authority, member):
    with claimed_network() as network:
        target = permissive("mysqld-exporter", f"127.{network}.0.1", app_protocol="tcp")
        with (
            Mesh([target], tmp_path / "mesh", authority, answers_noise=True),
            pytest.raises(ssl.SSLError, match=r"WRONG_VERSION_NUMBER|record layer"),
        ):
            member.get(target, 9080)


# ---------------------------------------------------------------------------------------------- the proxies' own ports


@pytest.mark.parametrize(("app", "port"), [("ratings", SECURE_MERGED_PORT), ("details", SECURE_ENVOY_PORT)])
def test_a_secure_port_wants_a_certificate_of_the_mesh_whatever_its_identity(
    pod, member, stranger, tmp_path, authority, app, port
):
    assert member.get(pod(app), port, "/stats/prometheus").status == 200
    assert foreign(tmp_path, authority).get(pod(app), port, "/stats/prometheus").status == 200
    assert stranger.refusal(pod(app), port) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    other = Authority().workload("monitoring", "prometheus")
    assert Client(tmp_path, other).refusal(pod(app), port) == "TLSV1_ALERT_UNKNOWN_CA"


def test_the_secure_ports_answer_the_paths_that_istio_routes(pod, member):
    merged = member.get(pod("ratings"), SECURE_MERGED_PORT)
    assert merged.status == 200
    assert {"envoy", "agent", "application"} == sources(merged)
    assert sources(member.get(pod("details"), SECURE_ENVOY_PORT, "/stats/prometheus")) == {"envoy"}
    assert member.get(pod("details"), SECURE_ENVOY_PORT).status == 404


def sources(answer: Answer) -> set[str]:
    """Whose metrics an answer holds."""
    return {line.split("_")[1] for line in answer.body.splitlines() if line.startswith("lab_")}


def test_the_agent_serves_everybodys_metrics_in_cleartext_and_the_applications_only_when_merged(pod):
    merged = get_in_cleartext(pod("reviews"), AGENT_PORT, "/stats/prometheus")
    assert sources(merged) == {"envoy", "agent", "application"}
    alone = get_in_cleartext(pod("productpage"), AGENT_PORT, "/stats/prometheus")
    assert sources(alone) == {"envoy", "agent"}


def test_only_the_path_of_the_metrics_is_answered(mesh, pod, member):
    assert member.get(pod("actuator"), 9080, "/actuator/prometheus").status == 200
    assert member.get(pod("actuator"), 9080).status == 404
    assert mesh.applications.not_found[Asked(pod("actuator").name, 9080, "/metrics")] == 1
    assert get_in_cleartext(pod("reviews"), AGENT_PORT).status == 404


def test_nothing_listens_in_a_pod_that_has_ended(pod):
    for port in (9080, AGENT_PORT, 15090):
        with pytest.raises(ConnectionRefusedError):
            get_in_cleartext(pod("migrate"), port)


# ----------------------------------------------------------------------------------------------------- many, and time


def test_the_mesh_starts_within_three_seconds_of_processor_time(tmp_path, authority):
    with claimed_network() as network:
        pods = scenario(network) + many(500, network)
        start = time.process_time()
        with Mesh(pods, tmp_path, authority) as mesh:
            own = time.process_time() - start
            assert mesh.envoy
            took = own + processor_time(mesh.envoy.pid)
            assert answers(f"{mesh.admin_url}/ready")
    assert took < 3, f"{took:.2f} s"  # a clock on the wall would tell of the other tests


def processor_time(pid: int) -> float:
    """Give the seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_five_hundred_pods_are_scraped_again_and_again(tmp_path, authority, member):
    with claimed_network() as network, Mesh(many(500, network), tmp_path / "mesh", authority) as mesh:
        targets = [(pod, urlsplit(url)) for pod in mesh.pods for job, url in pod.expected.items() if "envoy" not in job]
        assert len(targets) == 500

        def scrape_one(number: int) -> int:
            pod, url = targets[number % 500]
            get = member.get if url.scheme == "https" else get_in_cleartext
            return get(pod, url.port or 0, url.path).status

        with ThreadPoolExecutor(16) as scrapers:
            assert set(scrapers.map(scrape_one, range(1000))) == {200}
        assert {mesh.applications.answered(pod) for pod in mesh.pods} == {2}


def test_two_meshes_run_side_by_side(mesh, tmp_path, authority, member):
    with claimed_network() as network, Mesh(scenario(network), tmp_path / "second", authority) as second:
        for one in (mesh, second):
            target = next(pod for pod in one.pods if pod.labels["app"] == "six")
            assert target.ip == "::1"
            assert member.get(target, target.containers[0].ports[0].number).status == 200


# ------------------------------------------------------------------------------------------------- the parts of pods


@pytest.mark.parametrize("mode", ["STRICT", "PERMISSIVE"])
def test_no_two_pods_share_an_address_or_a_name(mode):
    pods = scenario(16, mode) + many(500, 16, mode)
    addresses = [(pod.ip, port.number) for pod in pods for container in pod.containers for port in container.ports]
    assert len(set(addresses)) == len(addresses)
    assert len({(pod.namespace, pod.name) for pod in pods}) == len(pods)


@pytest.mark.parametrize("mode", ["STRICT", "PERMISSIVE"])
@pytest.mark.parametrize("envoy_stats", [False, True], ids=["", "Envoy's statistics"])
@pytest.mark.parametrize("secure_ports", [False, True], ids=["", "secure ports"])
@pytest.mark.parametrize("variant", ["plain", "manual", "operator", "merged"])
def test_what_is_expected_of_the_pods_is_what_the_rendered_jobs_find(variant, secure_ports, envoy_stats, mode):
    certificates = variant != "merged"
    scrape_values = {"envoyStats": {"enabled": envoy_stats}, "securePorts": {"enabled": secure_ports and certificates}}
    overlay = {"variant": variant, "istio": {"version": "1.31.0", "mtlsMode": mode}, "scrape": scrape_values}
    pods = scenario(16, mode) + many(10, 16, mode)
    found = scrape(overlay, *map(as_modelled, pods))
    expected = expected_targets(pods, certificates=certificates, secure_ports=secure_ports, envoy_stats=envoy_stats)
    assert sorted((target.job_label.rpartition("/")[2], target.url) for target in found) == sorted(expected)


# ------------------------------------------------------------------------------------------- the agent's three files


def test_the_agent_writes_three_files_that_everybody_may_read(tmp_path, authority):
    with Agent(tmp_path / "certs", lambda: authority.workload("monitoring", "prometheus")):
        files = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "certs").iterdir()}
    assert files == {KEY: 0o644, CHAIN: 0o644, ROOT: 0o644}


def test_a_rotation_replaces_key_and_certificate_and_leaves_an_unchanged_root(tmp_path, authority):
    def inodes() -> list[tuple[int, bytes]]:
        return [((tmp_path / name).stat().st_ino, (tmp_path / name).read_bytes()) for name in (KEY, CHAIN, ROOT)]

    with Agent(tmp_path, lambda: authority.workload("monitoring", "prometheus")) as agent:
        before = inodes()
        agent.rotate()
        after = inodes()
    assert before[0][1] != after[0][1]
    assert before[1][1] != after[1][1]
    assert before[2] == after[2]


def test_a_reader_never_meets_half_a_file_however_often_the_agent_writes(tmp_path, authority):
    with Agent(tmp_path, lambda: authority.workload("monitoring", "prometheus"), every=0.001) as agent:
        while agent.rotations < 100:
            assert (tmp_path / KEY).read_text().endswith("-----END PRIVATE KEY-----\n")
            assert (tmp_path / CHAIN).read_text().endswith("-----END CERTIFICATE-----\n")
        agent.wait_for(101)
    assert {path.name for path in tmp_path.iterdir()} == {KEY, CHAIN, ROOT}


def test_a_pair_can_be_left_mismatched_for_a_moment(tmp_path, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with Agent(
        tmp_path, lambda: authority.workload("monitoring", "prometheus"), every=0.1, mismatched_for=0.5
    ) as agent:
        context.load_cert_chain(tmp_path / CHAIN, tmp_path / KEY)
        first = (tmp_path / KEY).read_bytes()
        while (tmp_path / KEY).read_bytes() == first:
            time.sleep(0.01)
        with pytest.raises(ssl.SSLError, match=r"(?i)key.values.mismatch"):
            context.load_cert_chain(tmp_path / CHAIN, tmp_path / KEY)
        agent.wait_for(2)
    context.load_cert_chain(tmp_path / CHAIN, tmp_path / KEY)


def test_the_files_can_come_late(tmp_path, authority):
    with Agent(tmp_path, lambda: authority.workload("monitoring", "prometheus"), late=0.3) as agent:
        assert list(tmp_path.iterdir()) == []
        agent.wait_for(1)
        assert {path.name for path in tmp_path.iterdir()} == {KEY, CHAIN, ROOT}


def test_the_key_can_be_made_unreadable_even_where_the_tests_run_as_root(tmp_path, authority):
    with Agent(tmp_path, lambda: authority.workload("monitoring", "prometheus"), key_mode=0):
        key = subprocess.run(bound_by_modes(["cat", tmp_path / KEY]), capture_output=True, text=True)
        chain = subprocess.run(bound_by_modes(["cat", tmp_path / CHAIN]), capture_output=True, text=True)
    assert (key.returncode, "Permission denied" in key.stderr) == (1, True)
    assert chain.returncode == 0


def test_what_an_agent_fails_at_is_told(tmp_path):
    def issue() -> Credentials:
        raise RuntimeError("istiod is away")

    agent = Agent(tmp_path, issue, late=0.01).start()
    with pytest.raises(RuntimeError, match="istiod is away"):
        agent.wait_for(1)
    with pytest.raises(RuntimeError, match="istiod is away"):
        agent.stop()


# -------------------------------------------------------------------------------------- whatever happens, it all ends


def runs(pid: int) -> bool:
    """Say whether a process runs; one that has ended and not been waited for doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ended(*pids: int) -> bool:
    """Say whether processes end within five seconds."""
    end = time.monotonic() + 5
    while any(map(runs, pids)) and time.monotonic() < end:
        time.sleep(0.01)
    return not any(map(runs, pids))


#: A program that ignores the request to end, and so does its child, whose number it prints.
STUBBORN = ["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait"]


def child_of(process: Process) -> int:
    process.wait_until(lambda: bool(process.tail()), what="talking")
    return int(process.tail())


def test_a_program_that_ignores_the_request_to_end_is_killed_with_its_children(tmp_path):
    with Process(STUBBORN, tmp_path / "log") as process:
        child = child_of(process)
        assert runs(process.pid)
        assert runs(child)
        process.stop(patience=0.1)
        process.stop()
    assert ended(process.pid, child)
    assert process.exit_code == -9


def test_a_program_is_asked_to_end_before_it_is_killed(tmp_path):
    with Process(["sh", "-c", "trap 'exit 5' TERM; echo here; sleep 60 & wait"], tmp_path / "log") as process:
        process.wait_until(lambda: bool(process.tail()), what="talking")
    assert process.exit_code == 5


def test_a_program_ends_when_the_test_run_is_killed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from tests.e2e.processes import Process\n"
        f"process = Process({STUBBORN!r}, Path(sys.argv[1]))\n"
        "process.wait_until(lambda: bool(process.tail())); print(process.pid, process.tail(), flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", script, tmp_path / "log"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as run:
        assert run.stdout
        pids = [int(pid) for pid in run.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(runs, pids))
        run.kill()
    assert ended(*pids)


def test_a_program_that_ends_early_is_told_with_the_end_of_its_log(tmp_path):
    process = Process(["sh", "-c", "echo no such option; exit 7"], tmp_path / "log")
    with pytest.raises(ProcessError, match=r"(?s)sh ended with exit code 7 before it was ready.*no such option"):
        process.wait_until(lambda: False)


def test_a_program_that_is_not_ready_in_time_is_stopped(tmp_path):
    port = free_port()
    process = Process(["sleep", "60"], tmp_path / "log")
    with pytest.raises(ProcessError, match=f"sleep is not answering http://127.0.0.1:{port}/ after 0.1 s"):
        process.wait_for_url(f"http://127.0.0.1:{port}/", timeout=0.1)
    assert ended(process.pid)


def test_a_program_that_does_not_exist_leaves_nothing_behind(tmp_path):
    before = children()
    with pytest.raises(FileNotFoundError):
        Process(["/no/such/program"], tmp_path / "log")
    assert children() == before


def children() -> set[int]:
    """The processes that this one has started and that still run."""
    own = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in own if runs(int(pid))}


def test_a_mesh_whose_port_is_taken_says_so_and_leaves_nothing_behind(tmp_path, authority):
    before = children()
    with claimed_network() as network:
        targets = [strict("productpage", f"127.{network}.0.1"), outside("node-exporter", f"127.{network}.0.2")]
        for target, error in zip(targets, (ProcessError, OSError), strict=True):
            port = target.containers[0].ports[0].number
            with socket.create_server((target.ip, port)), pytest.raises(error, match=r"(?i)address already in use"):
                Mesh(targets, tmp_path, authority).start()
        with pytest.raises(ConnectionRefusedError):
            get_in_cleartext(targets[1], 8080)
    assert children() == before


def test_a_mesh_ends_with_all_its_ports_when_its_block_is_left_by_an_error(tmp_path, authority):
    with claimed_network() as network:
        pods = [strict("productpage", f"127.{network}.0.1"), istiod(f"127.{network}.0.2")]
        mesh = Mesh(pods, tmp_path, authority)
        with pytest.raises(RuntimeError, match="on purpose"), mesh:
            raise RuntimeError("on purpose")
        assert mesh.envoy
        assert not runs(mesh.envoy.pid)
        for target, port in ((pods[0], 9080), (pods[0], AGENT_PORT), (pods[0], 15090), (pods[1], 15014)):
            with pytest.raises(ConnectionRefusedError):
                get_in_cleartext(target, port)


def test_networks_that_are_claimed_at_once_differ():
    with claimed_network() as first, claimed_network() as second, claimed_network() as third:
        assert len({first, second, third}) == 3


def test_applications_without_a_proxy_are_served_at_their_own_addresses():
    with claimed_network() as network:
        plain = Port(9999, "x", mtls="")
        pods = [
            outside("node-exporter", f"127.{network}.0.1"),
            istiod(f"127.{network}.0.2")._replace(containers=(Container("discovery", (plain,)),)),
        ]
        with Applications(pods) as applications:
            assert get_in_cleartext(pods[0], 8080).status == 200
            assert get_in_cleartext(pods[1], 9999).status == 200
            assert applications.answered(pods[0]) == 1


def test_applications_that_end_close_the_connections_that_are_kept_open():
    with claimed_network() as network:
        target = outside("node-exporter", f"127.{network}.0.1")
        with Applications([target]):
            connection = socket.create_connection((target.ip, 8080), timeout=5)
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: lab\r\n\r\n")
            assert b"200 OK" in connection.recv(4096)
        with connection, suppress(ConnectionResetError):
            assert connection.recv(4096) == b""
