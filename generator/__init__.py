"""Render what a team's own Prometheus needs to scrape Istio workloads over strict mTLS."""

__version__ = "0.1.0"
