"""The pod as Istio's webhook leaves it."""
