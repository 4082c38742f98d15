"""User code and its dependency lists, parsed and guarded before anything runs."""
