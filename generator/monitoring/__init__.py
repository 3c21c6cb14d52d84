"""The monitoring setup in manifests that sidecert has never seen: which Prometheus, its pod, what it scrapes, and how.

versions       versions of programs, as images and fields name them
edits          changes to documents, as data: what doctor shows, migrate makes and adopt turns into patches
pod            a pod as the API server would get it, each part of which knows where a document says it
directories    what lies in which directory of a container, and what is mounted there
scraper        the Prometheus of a workload, of an operator's resource, of a chart's values
operated       the pod that an operator makes of its resource
scrapers       which of them is in an object
configuration  the ConfigMaps and Secrets that hold its configuration
charts         the values of kube-prometheus-stack and of the prometheus chart (`chart_values`: where they stand,
`chart_releases`: what a release of them is, `chart_jobs`, `charts_stack`, `charts_prometheus`)
scrape         one scrape job, monitor endpoint or scrape class, in one form
victoria       monitors of VictoriaMetrics' operator, as those of the Prometheus Operator
objects        Kubernetes objects by kind, name and namespace
owners         which objects are made by others among them
other_meshes   what puts a pod into another mesh than Istio's
mesh_config    what the mesh's own configuration says
running        what a pod has when it runs: volumes, the proxy that writes certificates
labels         what labels and namespaces select
worlds         tells environments apart that were given together
setup          all of that, put together for one of them
pattern        the edits that bring a pod to the pattern
mtls           which scrapes present Istio's certificates
relabelling    what a job's relabelling makes of a pod
targets        the workloads and Services behind a monitor, and their mTLS mode
"""

from generator.monitoring.edits import Edit
from generator.monitoring.pod import PodView
from generator.monitoring.scrape import Scrape, Tls
from generator.monitoring.scraper import Scraper
from generator.monitoring.setup import Settings, Setup, assemble

__all__ = ["Edit", "PodView", "Scrape", "Scraper", "Settings", "Setup", "Tls", "assemble"]
