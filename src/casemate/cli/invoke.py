"""`casemate invoke NAME`: one call with a token of its own, in the time a person does not notice.

Only the standard library is imported: the whole command, Python's start included, has 150 ms.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import click

from casemate.cli.function_token import function_token
from casemate.errors import InvalidInput, Unavailable

_FIRST_ERROR_STATUS = 400
_COPY_BYTES = 65536


@click.command("invoke")
@click.argument("name")
@click.option("-n", "--namespace", help="Namespace; default is the kubeconfig's.")
@click.option("-d", "--data", help="Body of the request; makes it a POST.")
@click.option(
    "--data-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="File with the body; - is stdin.",
)
@click.option("-H", "--header", "headers", multiple=True, help="'Name: value'; may be repeated.")
@click.option("-X", "--method", help="HTTP method; default GET, or POST with a body.")
@click.option("--path", default="/", show_default=True, help="Path below the Function's address.")
@click.option("--cloudevent", metavar="TYPE", help="Send the body as a CloudEvent of this type.")
@click.option("--source", default="casemate-cli", show_default=True, help="CloudEvent source.")
@click.option("-i", "--include", is_flag=True, help="Print status and headers to stderr.")
@click.option("--timeout", type=float, default=190.0, show_default=True, help="Seconds to wait.")
def command(**options: object) -> int:
    """Call the running Function NAME; its reply goes to stdout, exit 1 for a status >= 400."""
    data, data_file = options["data"], options["data_file"]
    if data is not None and data_file is not None:
        raise InvalidInput("--data and --data-file exclude each other", hint="give one of them")
    body = _body(data, data_file)
    headers = _headers(options["headers"])
    cloudevent = options["cloudevent"]
    if cloudevent is not None:
        headers |= _cloudevent_headers(str(cloudevent), str(options["source"]))
        body = b"" if body is None else body
    if body is not None:
        headers.setdefault("content-type", _guess_content_type(body))
    method = str(options["method"] or ("GET" if body is None else "POST")).upper()
    namespace = options["namespace"]
    grant = function_token(str(namespace) if namespace else None, str(options["name"]), 60)
    headers["authorization"] = f"Bearer {grant.token}"
    target = urlsplit(grant.url)
    path = target.path.rstrip("/") + "/" + str(options["path"]).lstrip("/")
    timeout = float(str(options["timeout"]))
    connection = HTTPConnection(target.hostname or "", target.port, timeout=timeout)
    try:
        return _exchange(
            connection, (method, path), body, headers, include=bool(options["include"])
        )
    except (OSError, HTTPException) as error:
        raise Unavailable(
            f"calling {options['name']} at {grant.url} failed: {type(error).__name__}",
            hint="is the engine still running?",
        ) from error
    finally:
        connection.close()


def _exchange(
    connection: HTTPConnection,
    request: tuple[str, str],
    body: bytes | None,
    headers: dict[str, str],
    *,
    include: bool,
) -> int:
    """Send, copy the reply to stdout as it arrives, return the exit number."""
    connection.request(*request, body=body, headers=headers)
    reply = connection.getresponse()
    if include:
        sys.stderr.write(f"HTTP {reply.status} {reply.reason}\n")
        sys.stderr.writelines(f"{name}: {value}\n" for name, value in reply.getheaders())
        sys.stderr.write("\n")
        sys.stderr.flush()
    out = sys.stdout.buffer
    last = b""
    while part := reply.read1(_COPY_BYTES):
        out.write(part)
        out.flush()
        last = part
    if sys.stdout.isatty() and last and not last.endswith(b"\n"):
        out.write(b"\n")
        out.flush()
    if reply.status >= _FIRST_ERROR_STATUS:
        if not include:
            sys.stderr.write(f"error: HTTP {reply.status} {reply.reason}\n")
        return 1
    return 0


def _body(data: object, data_file: object) -> bytes | None:
    if data is not None:
        return str(data).encode()
    if isinstance(data_file, Path):
        return sys.stdin.buffer.read() if str(data_file) == "-" else data_file.read_bytes()
    return None


def _headers(given: object) -> dict[str, str]:
    headers = {}
    for line in given if isinstance(given, tuple) else ():
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise InvalidInput(f"header {line!r} has no colon", hint="write it as 'Name: value'")
        headers[name.strip().lower()] = value.strip()
    return headers


def _cloudevent_headers(event_type: str, source: str) -> dict[str, str]:
    import uuid  # noqa: PLC0415  # only for CloudEvents

    return {
        "ce-specversion": "1.0",
        "ce-type": event_type,
        "ce-source": source,
        "ce-id": str(uuid.uuid4()),
    }


def _guess_content_type(body: bytes) -> str:
    return "application/json" if body.lstrip()[:1] in (b"{", b"[", b'"') else "text/plain"
