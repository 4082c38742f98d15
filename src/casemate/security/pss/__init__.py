"""The Kubernetes Pod Security Standards, one rule per file, every policy version."""
