"""The Kubernetes API of the local engine: our kinds and those they need, over one SQLite file."""
