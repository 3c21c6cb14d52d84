"""What a scraper may ask the API server: the job stays within it, and what it lacks is told."""

from __future__ import annotations

from typing import Any

import pytest

from generator.adopt import Adopted
from generator.intake import documents_of
from tests.adopt.helpers import adopted, check_laws, errors, files, manifests_of, tree_of
from tests.adopt.test_adopting import CONFIGURATION, OPERATED, both, job_of

_RULES = "rules:\n- {apiGroups: [''], resources: [pods, services], verbs: [get, list, watch]}\n"
_ROLE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: prometheus, namespace: shop}
"""
_BINDING = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: prometheus, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: prometheus}
subjects:
- {kind: ServiceAccount, name: default, namespace: monitoring}
"""
CONFINED = f"---\n{_ROLE}{_RULES}---\n{_BINDING}"
WIDE = CONFINED.replace("Role", "ClusterRole").replace(", namespace: shop", "").replace("ClusterRoleB", "ClusterRoleB")
_ACCOUNT = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: monitoring}\n"
_OFF = "automountServiceAccountToken: false\n"
_ASKS = "the account default needs a ClusterRole"
_TOKEN = "the pod gets no token of its account"  # words


def told(found: Adopted) -> str:
    return "\n".join(found.to_do)


def of_monitor(found: Adopted) -> Any:
    return tree_of(files(found)["podmonitor-main-istio-mtls.yaml"])["spec"]["namespaceSelector"]


def test_the_job_of_an_account_that_has_roles_alone_stays_where_they_count(tmp_path):
    found = adopted(both() + CONFINED)
    assert job_of(found)["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["shop"]}}]
    assert "# Its account has rights in these alone." in files(found)["configmap-config.patch.yaml"]
    assert told(found).startswith("what is added finds pods of shop alone")
    assert found.left == ()
    check_laws(tmp_path, both() + CONFINED)


def test_the_monitor_of_an_account_that_has_roles_alone_stays_where_they_count():
    assert of_monitor(adopted(OPERATED + CONFINED)) == {"matchNames": ["shop"]}
    assert of_monitor(adopted(OPERATED)) == {"any": True}


def test_a_role_that_lists_no_pods_is_given_that_where_it_counts():
    text = both() + CONFINED.replace("[pods, services]", "[services]")
    found = adopted(text)
    assert [one.rule.id for one in found.repaired] == ["rbac-too-little"]
    assert found.left == ()


@pytest.mark.parametrize("more", [WIDE, CONFINED + WIDE, f"---\n{_BINDING}", ""])
def test_an_account_with_a_cluster_role_or_one_of_which_nothing_is_known_looks_everywhere(more):
    assert job_of(adopted(both() + more))["kubernetes_sd_configs"] == [{"role": "pod"}]


def test_a_first_discovery_needs_rights_that_nothing_here_gives():
    assert _ASKS in told(adopted(both()))
    assert _ASKS not in told(adopted(both() + WIDE))


def test_who_discovers_pods_already_or_by_a_configuration_that_is_not_here_has_its_rights():
    job = "      - {job_name: pods, kubernetes_sd_configs: [{role: endpoints}]}\n"
    assert told(adopted(both(CONFIGURATION + job))) == ""
    assert told(adopted(both().partition("---\n")[0])) == ""
    assert told(adopted(OPERATED)) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (both().replace("      containers:\n", f"      {_OFF}      containers:\n"), True),
        (both() + _ACCOUNT + _OFF, True),
        (both().replace("      containers:\n", f"      {_OFF.replace('false', 'true')}      containers:\n"), False),
        (OPERATED + f"  {_OFF}", True),
        (both(), False),
    ],
)
def test_without_a_token_nothing_is_discovered(text, says):
    assert (_TOKEN in told(adopted(text))) == says


def test_a_token_that_is_mounted_by_hand_will_do():
    text = (
        both()
        .replace("      containers:\n", f"      {_OFF}      containers:\n")
        .replace(
            "        - name: config\n          mountPath",
            "        - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}\n"
            "        - name: config\n          mountPath",
        )
    )
    assert _TOKEN not in told(adopted(text))


def test_what_was_adopted_has_nothing_more_to_do():
    text = both() + CONFINED
    found = adopted(text)
    documents = [new for _, new in found.changed] + [
        one for one in documents_of(text, "test.yaml") if one.kind not in {"Deployment", "ConfigMap"}
    ]
    assert not errors(manifests_of(documents))
