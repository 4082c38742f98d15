"""The server that runs inside the sandbox and calls one Python Function.

A request's way: `listener` accepts -> `connection` frames and parses -> `application` decides which
door -> `invocation` calls the user's handler -> `reply` turns what it returned into bytes. Beside
it stand `deadline` (ends work that overruns) and `lifecycle` (starts, drains, retires, exits).
At start only the standard library and httptools are loaded: each megabyte counts once per instance.
"""
