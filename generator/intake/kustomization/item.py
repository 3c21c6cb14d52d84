"""An object on its way through a kustomization: what it is by now, what it was called, and who said what of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from generator.errors import ValuePath
from generator.intake.document import Document, Text, as_map
from generator.intake.kustomization.built import BuiltDocument, Layer, steps

Tree = dict[str, Any]

# Kinds without a namespace; kustomize takes any that it doesn't know for one that has a namespace.
_CLUSTER_WIDE = frozenset(
    {
        "APIService",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterTrustBundle",
        "ComponentStatus",
        "CSIDriver",
        "CSINode",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "IngressClass",
        "IPAddress",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PodSecurityPolicy",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "SelfSubjectAccessReview",
        "SelfSubjectReview",
        "SelfSubjectRulesReview",
        "ServiceCIDR",
        "StorageClass",
        "SubjectAccessReview",
        "TokenReview",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
    }
)
_BUILT_IN = frozenset({"", "apps", "batch", "autoscaling", "policy", "extensions"})


class Identity(NamedTuple):
    """What a patch or reference finds an object by."""

    api_version: str
    kind: str
    namespace: str
    name: str


class Item:
    """One object of a build. Trees are replaced, never changed: they may share parts with other objects."""

    __slots__ = ("affixes", "files", "layers", "past", "tree")

    def __init__(self, tree: Tree, document: Document, path: ValuePath = (), value: Any = None) -> None:
        """Take an object, the document that says it, and the part of that document that does (``path``, ``value``)."""
        self.tree = tree
        self.layers = [Layer(document, path, tree if value is None else value)]
        self.files: dict[ValuePath, Text] = {}
        self.past: list[Identity] = []
        self.affixes: tuple[str, ...] = ()

    @property
    def identity(self) -> Identity:
        """What it is called by now."""
        metadata = as_map(self.tree.get("metadata"))
        first = [str(self.tree.get(key) or "") for key in ("apiVersion", "kind")]
        return Identity(first[0], first[1], *(str(metadata.get(key) or "") for key in ("namespace", "name")))

    @property
    def identities(self) -> list[Identity]:
        """All that it was ever called."""
        return [*self.past, self.identity]

    def is_cluster_wide(self) -> bool:
        """Whether the object has no namespace."""
        identity = self.identity
        group = identity.api_version.rpartition("/")[0]
        return identity.kind in _CLUSTER_WIDE and (group in _BUILT_IN or group.endswith(".k8s.io"))

    def change(self, tree: Tree) -> None:
        """Take a new tree; the old name is remembered."""
        old = self.identity
        self.tree = tree
        if self.identity != old:
            self.past.append(old)

    def put(self, path: ValuePath, value: Any, document: Document, said: ValuePath) -> None:
        """Set one value, which ``document`` says at the path ``said``."""
        self.change(placed(self.tree, path, value))
        self.note(path, value, document, said)

    def note(self, path: ValuePath, value: Any, document: Document, said: ValuePath) -> None:
        """Remember that ``document`` says, at the path ``said``, what stands at ``path``."""
        self.layers.append(Layer(document, said, value, steps(self.tree, path)))

    def document(self) -> BuiltDocument:
        """Give the object as a document that knows the files of its parts."""
        return BuiltDocument(self.tree, tuple(self.layers), self.files)


def placed(tree: Any, path: ValuePath, value: Any) -> Any:
    """Give a tree with one value set, maps on the way to it made where they are missing."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(tree, list):
        return [placed(item, rest, value) if number == step else item for number, item in enumerate(tree)]
    old: dict[Any, Any] = dict(as_map(tree))
    old[step] = placed(old.get(step), rest, value)
    return old


def changed(tree: Any, path: tuple[str, ...], change: Callable[[Any], Any], *, create: bool) -> Any:
    """Give a tree with what lies at a path changed, in every item of the lists on the way.

    Where a map on the way is missing, it is made if ``create``, else nothing is changed.
    """
    if isinstance(tree, list):
        return [changed(item, path, change, create=create) for item in tree]
    if not path:
        return change(tree)
    if tree is None and create:
        tree = {}
    if not isinstance(tree, dict) or (not create and tree.get(path[0]) is None):
        return tree
    return {**tree, path[0]: changed(tree.get(path[0]), path[1:], change, create=create)}
