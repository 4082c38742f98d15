"""The security model as pure code: hardened values, tightening, image rules, Pod standards."""
