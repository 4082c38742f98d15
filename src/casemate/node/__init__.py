"""Runs Pod templates on this machine: plan first (pure), act second (one launcher)."""
