"""The one public door: route, verify, forward. Holds public keys only."""
