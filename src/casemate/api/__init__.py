"""Wire types: what a manifest may say. Pure: parses and validates, reads and writes nothing."""
