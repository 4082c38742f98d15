"""Function and policy in, Kubernetes objects out. Pure and byte-stable."""
