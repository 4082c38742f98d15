"""Keys, tokens and principals: the only package that turns a bearer string into trust."""
