"""The Prometheus of the prometheus chart, and its pod as the chart makes it of its values.

From its ``templates/deploy.yaml``. What depends on the release is left out where it isn't
known, and so is what the chart chooses itself (the image's tag, say).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.errors import ValuePath
from generator.monitoring.chart_jobs import templated
from generator.monitoring.chart_values import Values
from generator.monitoring.edits import Edit
from generator.monitoring.pod import PodView
from generator.monitoring.scraper import Scraper

FLAVOUR = "prometheus-chart"
_IMAGE = "quay.io/prometheus/prometheus"
_CONFIGURATION = "/etc/config"
_NOBODY = {"fsGroup": 65534, "runAsGroup": 65534, "runAsNonRoot": True, "runAsUser": 65534}
# Since this version pods have Kubernetes' own labels (prometheus-community/helm-charts#3246).
_LABELLED_SINCE = (21,)
_SIDECARS = ("server", "sidecarContainers")


class ChartPod(PodView):
    """A pod of the prometheus chart: further containers go into a map."""

    __slots__ = ()

    def append(self, path: ValuePath, value: object, comment: str = "") -> Edit:
        """Say how to add an element to one of the pod's lists."""
        if path == ("spec", "containers") and isinstance(value, Mapping):
            rest = {key: part for key, part in value.items() if key != "name"}
            return Edit(self.document, (*self.where(*path), str(value["name"])), rest, comment)
        return super().append(path, value, comment)


def scraper_of(values: Values) -> Scraper | None:
    """Give the chart's Prometheus; None where the values switch it off."""
    if values.is_off or values.get("server", "enabled") is False:
        return None
    pod, index = _Pod(values).view()
    name = _full_name(values) or values.release or values.name
    container = ("spec", "containers", index)
    namespace = values.text("forceNamespace") or values.namespace
    return Scraper(FLAVOUR, values.document, pod, container, "prometheus", name=name, namespace=namespace)


def _full_name(values: Values) -> str:
    """What the chart names the server; "" where the release isn't known."""
    if values.text("server", "fullnameOverride"):
        return values.text("server", "fullnameOverride")
    name, release = values.text("nameOverride") or values.name, values.release
    if not release:
        return ""
    return "-".join([release, *([] if name in release else [name]), _server_name(values)])


def _server_name(values: Values) -> str:
    return values.text("server", "name") or "server"


# -------------------------------------------------------------------------------------------------------- its pod


class _Pod:
    """Puts the pod together, and remembers which value each part comes of."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.origins: dict[ValuePath, ValuePath] = {}
        self.name = f"{values.text('nameOverride') or values.name}-{_server_name(values)}"
        self.volumes: list[dict[str, Any]] = []

    def where(self, *path: str | int) -> ValuePath:
        """Give the path in the document of a value below ``server``."""
        return self.values.where("server", *path)

    def view(self) -> tuple[PodView, int]:
        """Give the pod, and which container Prometheus is."""
        server = self.values.map("server")
        reloader = [] if self.values.get("configmapReload", "prometheus", "enabled") is False else [self.reloader()]
        index = len(reloader)
        main = self.server(("spec", "containers", index))
        spec: dict[str, Any] = {
            "containers": [*reloader, main, *self.sidecars(index + 1)],
            "initContainers": [item for _, item in self.values.maps("server", "extraInitContainers")],
            "securityContext": server.get("securityContext", _NOBODY),
            "volumes": self.all_volumes(),
            **{key: server[key] for key in ("hostNetwork", "automountServiceAccountToken") if key in server},
            **self.account(),
        }
        self.origins |= {
            (): self.where(),
            ("metadata", "labels"): self.where("podLabels"),
            ("metadata", "annotations"): self.where("podAnnotations"),
            ("spec",): self.where(),
            ("spec", "serviceAccountName"): self.values.where("serviceAccounts", "server", "name"),
            ("spec", "containers"): self.where("sidecarContainers"),
            ("spec", "initContainers"): self.where("extraInitContainers"),
            ("spec", "volumes"): self.where("extraVolumes"),
        }
        metadata = {"labels": self.labels(), "annotations": dict(self.values.map("server", "podAnnotations"))}
        tree = {"metadata": metadata, "spec": {key: part for key, part in spec.items() if part is not None}}
        return ChartPod(self.values.document, tree, self.origins), index

    def labels(self) -> dict[str, Any]:
        """The labels, but for those that only the release knows."""
        name = self.values.text("nameOverride") or self.values.name
        version = self.values.version
        if version is not None and version < _LABELLED_SINCE:
            return {
                "app": name,
                "component": _server_name(self.values),
                **({"release": self.values.release} if self.values.release else {}),
                **self.values.map("server", "podLabels"),
            }
        return {
            "app.kubernetes.io/component": _server_name(self.values),
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/part-of": name,
            **({"app.kubernetes.io/instance": self.values.release} if self.values.release else {}),
            **self.values.map("commonMetaLabels"),
            **self.values.map("server", "podLabels"),
        }

    def account(self) -> dict[str, str]:
        """The service account, where it is known."""
        account = self.values.map("serviceAccounts", "server")
        name = account.get("name")
        if isinstance(name, str) and name:
            return {"serviceAccountName": name}
        made = "default" if account.get("create") is False else _full_name(self.values)
        return {"serviceAccountName": made} if made else {}

    # ------------------------------------------------------------------------------------------------ containers

    def reloader(self) -> dict[str, Any]:
        """The container that has Prometheus read its configuration again."""
        found = self.values.map("configmapReload", "prometheus")
        self.origins["spec", "containers", 0] = self.values.where("configmapReload", "prometheus")
        self.origins["spec", "containers", 0, "volumeMounts"] = self.values.where(
            "configmapReload", "prometheus", "extraVolumeMounts"
        )
        extra = [item for _, item in self.values.maps("configmapReload", "prometheus", "extraVolumeMounts")]
        own = {"name": "config-volume", "mountPath": _CONFIGURATION, "readOnly": True}
        return {"name": f"{self.name}-{found.get('name') or 'configmap-reload'}", "volumeMounts": [own, *extra]}

    def server(self, path: ValuePath) -> dict[str, Any]:
        """Prometheus' container; ``path`` is where it will stand."""
        server = self.values.map("server")
        self.origins |= {
            path: self.where(),
            (*path, "args"): self.where("extraArgs"),
            (*path, "image"): self.where("image", "tag"),
            (*path, "securityContext"): self.where("containerSecurityContext"),
            (*path, "volumeMounts"): self.where("extraVolumeMounts"),
        }
        container: dict[str, Any] = {"name": self.name, "args": self.arguments()}
        image = self.image()
        if image:
            container["image"] = image
        for key, own in (("env", "env"), ("command", "command"), ("containerSecurityContext", "securityContext")):
            if server.get(key):
                container |= {own: server[key]}
        container["ports"] = [{"containerPort": 9090}]
        prefix = self.values.text("server", "prefixURL")
        if server.get("tcpSocketProbeEnabled") is not True:
            for probe, place in (("readinessProbe", "ready"), ("livenessProbe", "healthy")):
                container[probe] = {"httpGet": {"path": f"{prefix}/-/{place}", "port": 9090}}
        container["volumeMounts"] = self.mounts((*path, "volumeMounts"))
        return container

    def image(self) -> str:
        """The image, where the values say which; "" where its tag is the chart's choice."""
        found = self.values.map("server", "image")
        repository, tag, digest = found.get("repository") or _IMAGE, found.get("tag"), found.get("digest")
        if digest:
            return f"{repository}@{digest}"
        return f"{repository}:{tag}" if tag else ""

    def arguments(self) -> list[str]:
        """Prometheus' arguments."""
        server = self.values.map("server")
        override, flags = server.get("defaultFlagsOverride"), server.get("extraFlags", ["web.enable-lifecycle"])
        if isinstance(override, list) and override:
            return list(map(str, override))
        path = self.values.text("server", "configPath") or f"{_CONFIGURATION}/prometheus.yml"
        extra = self.values.map("server", "extraArgs")
        return [
            f"--config.file={path}",
            *(f"--{flag}" for flag in (flags if isinstance(flags, list) else ())),
            *(f"--{key}={value}" if value else f"--{key}" for key, value in extra.items()),
        ]

    def sidecars(self, first: int) -> list[dict[str, Any]]:
        """Further containers, in the order of their names."""
        found: list[dict[str, Any]] = []
        for name, stated in sorted(self.values.map(*_SIDECARS).items()):
            place = self.values.where(*_SIDECARS, name)
            # A string is a template that gives the container.
            inner = None if templated(stated) else self.values.document.embedded(place)
            container = inner.tree if inner else {} if isinstance(stated, str) else stated
            if isinstance(container, dict):
                self.origins["spec", "containers", first + len(found)] = place
                found.append({"name": name, **container})
        return found

    # ------------------------------------------------------------------------------------------- volumes, mounts

    def all_volumes(self) -> list[dict[str, Any]]:
        """The volumes, in the chart's order."""
        values, found = self.values, self.volumes
        secret = values.text("server", "configFromSecret")
        source = {"secret": {"secretName": secret}} if secret else {"configMap": self.configuration()}
        self.volume({"name": "config-volume", **source}, self.where())
        for path, item in values.maps("server", "extraHostPathMounts"):
            self.volume({"name": item.get("name"), "hostPath": {"path": item.get("hostPath")}}, values.where(*path))
            self.origins["spec", "volumes", len(found) - 1, "hostPath", "path"] = values.where(*path, "hostPath")
        reload = ("configmapReload", "prometheus")
        prefixes = ((reload, values.text(*reload, "name") or "configmap-reload"), (("server",), _server_name(values)))
        for owner, prefix in prefixes:
            for path, item in values.maps(*owner, "extraConfigmapMounts"):
                volume = {"name": f"{prefix}-{item.get('name')}", "configMap": {"name": item.get("configMap")}}
                self.volume(volume, values.where(*path))
                self.origins["spec", "volumes", len(found) - 1, "configMap", "name"] = values.where(*path, "configMap")
        for path, item in values.maps("server", "extraSecretMounts"):
            kept = {key: item[key] for key in ("secretName", "optional") if item.get(key)}
            self.volume({"name": item.get("name"), "secret": kept}, values.where(*path))
            self.origins["spec", "volumes", len(found) - 1, "secret"] = values.where(*path)
        for path, item in values.maps("server", "extraVolumes"):
            self.volume(item, values.where(*path))
        self.volume(self.storage(), self.where("persistentVolume"))
        return found

    def volume(self, tree: dict[str, Any], place: ValuePath) -> None:
        """Add a volume, and where it is said."""
        self.origins["spec", "volumes", len(self.volumes)] = place
        self.volumes.append(tree)

    def configuration(self) -> dict[str, str]:
        """The ConfigMap that holds prometheus.yml, as far as its name is known."""
        override, release = self.values.text("server", "configMapOverrideName"), self.values.release
        name = f"{release}-{override}" if override and release else "" if override else _full_name(self.values)
        return {"name": name} if name else {}

    def storage(self) -> dict[str, Any]:
        """The volume of the data."""
        persistent = self.values.map("server", "persistentVolume")
        if persistent.get("enabled") is False:
            return {"name": self.storage_name(), "emptyDir": {}}
        claim = persistent.get("existingClaim") or _full_name(self.values)
        return {"name": self.storage_name(), "persistentVolumeClaim": {"claimName": claim} if claim else {}}

    def storage_name(self) -> str:
        """What the volume of the data is called."""
        persistent = self.values.map("server", "persistentVolume")
        own = persistent.get("enabled") is not False and self.values.get("server", "statefulSet", "enabled") is True
        return str(persistent.get("statefulSetNameOverride") or "storage-volume") if own else "storage-volume"

    def mounts(self, path: ValuePath) -> list[dict[str, Any]]:
        """The mounts of Prometheus' container, in the chart's order; ``path`` is where they will stand."""
        values, persistent = self.values, self.values.map("server", "persistentVolume")
        data = persistent.get("mountPath") or "/data"
        found: list[tuple[dict[str, Any], ValuePath]] = [
            ({"name": "config-volume", "mountPath": _CONFIGURATION}, self.where()),
            ({"name": self.storage_name(), "mountPath": data}, self.where("persistentVolume")),
        ]
        for key, prefix in (
            ("extraHostPathMounts", ""),
            ("extraConfigmapMounts", f"{_server_name(values)}-"),
            ("extraSecretMounts", ""),
        ):
            for place, item in values.maps("server", key):
                kept = {name: item[name] for name in ("mountPath", "subPath", "readOnly") if item.get(name)}
                found.append(({"name": f"{prefix}{item.get('name')}", **kept}, values.where(*place)))
        found += [(item, values.where(*place)) for place, item in values.maps("server", "extraVolumeMounts")]
        self.origins |= {(*path, index): place for index, (_, place) in enumerate(found)}
        return [mount for mount, _ in found]
