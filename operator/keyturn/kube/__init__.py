"""The Kubernetes side: the only place that knows an API server. ``cluster`` is what the reconciler sees of it."""
