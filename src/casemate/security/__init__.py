"""The security model as pure code: hardened defaults, tightening, images, Pod Security Standards."""
