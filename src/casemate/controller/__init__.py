"""Level-triggered reconcile of Functions: validate, source, dependencies, render, apply, status."""
