"""The monitoring setup in manifests that sidecert has never seen: which Prometheus, its pod, what it scrapes, and how.

versions   versions of programs, as images and fields name them
edits      changes to documents, as data: what doctor shows, migrate makes and adopt turns into patches
pod        a pod as the API server would get it, each part of which knows where a document says it
scraper    the Prometheus of a workload, of an operator's resource, of a chart's values
charts     the values of kube-prometheus-stack and of the prometheus chart
scrape     one scrape job, monitor endpoint or scrape class, in one form
setup      all of that, put together
mtls       which scrapes present Istio's certificates
relabelling  what a job's relabelling makes of a pod
"""

from generator.monitoring.edits import Edit
from generator.monitoring.pod import PodView
from generator.monitoring.scrape import Scrape, Tls
from generator.monitoring.scraper import Scraper
from generator.monitoring.setup import Settings, Setup, assemble

__all__ = ["Edit", "PodView", "Scrape", "Scraper", "Settings", "Setup", "Tls", "assemble"]
