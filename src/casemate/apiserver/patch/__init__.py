"""Patches and who owns which field: pure functions from the stored object to the wanted one."""
