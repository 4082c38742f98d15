"""A client's view of any Kubernetes API: the local engine's own, or a cluster's."""
