"""The kubeconfig through which a command finds its API: the running engine's, or the one named.

JSON is YAML too, and the engine writes its own file so: `invoke` has 150 ms and no time to import a
YAML reader. Only what a command needs is read; a context that cannot be used is an error that
names the field, never a silent fall back to another.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from casemate.errors import InvalidInput, Unavailable
from casemate.settings import read_settings

FILE_NAME = "kubeconfig"


class NoEngine(Unavailable):
    """No engine of this user answers on this machine."""

    code = "NoEngine"


class UnusableKubeconfig(InvalidInput):
    """The kubeconfig does not say where the API is or who asks."""

    code = "UnusableKubeconfig"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the API is and who asks there."""

    host: str
    port: int
    tls: ssl.SSLContext = field(repr=False)
    token: str = field(default="", repr=False)
    namespace: str = "default"


def read_connection(path: Path | None = None) -> Connection:
    """Read a kubeconfig's current context; None is the running engine's file.

    Raises NoEngine, UnusableKubeconfig.
    """
    return _connection(_document(path or engine_file()), path or engine_file())


def engine_file() -> Path:
    """Return where a running engine puts its kubeconfig."""
    return read_settings().run_dir / FILE_NAME


def _document(path: Path) -> Mapping[str, Any]:
    try:
        # ATTACK: another user may have made this directory first in a shared /tmp, with a file
        # that leads to an API of his own. tests/unit/cli/test_kube_config.py
        if path == engine_file() and _is_open_to_others(path.parent):
            raise NoEngine(
                f"{path.parent} may be written by others", hint=f"chmod 700 {path.parent}"
            )
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise NoEngine(
            "no engine is running here", hint="start one: casemate up, or casemate run PATH"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableKubeconfig(f"{path} cannot be read: {type(error).__name__}") from error
    found = _parsed(text)
    if not isinstance(found, dict):
        raise UnusableKubeconfig(f"{path} is no kubeconfig")
    return found


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        import yaml  # noqa: PLC0415  # only for files that others wrote

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            return None


def _is_open_to_others(directory: Path) -> bool:
    found = directory.stat()
    mine = found.st_uid in (0, os.geteuid())
    return not mine or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _connection(document: Mapping[str, Any], path: Path) -> Connection:
    context = _named(document, "contexts", str(document.get("current-context", "")), path)
    cluster = _named(document, "clusters", str(context.get("cluster", "")), path)
    user = _named(document, "users", str(context.get("user", "")), path)
    server = urlsplit(str(cluster.get("server", "")))
    if server.scheme != "https" or not server.hostname:
        raise UnusableKubeconfig(f"{path}: the cluster's server is no https address")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    authority = _content(cluster, "certificate-authority", path)
    if authority is None:
        tls.load_default_certs()
    else:
        tls.load_verify_locations(cadata=authority.decode("ascii", "replace"))
    certificate = _content(user, "client-certificate", path)
    key = _content(user, "client-key", path)
    if certificate is not None and key is not None:
        with _as_file(certificate + b"\n" + key) as pair:
            tls.load_cert_chain(pair)
    token = user.get("token")
    return Connection(
        server.hostname,
        server.port or 443,
        tls,
        token if isinstance(token, str) else "",
        str(context.get("namespace") or "default"),
    )


def _named(document: Mapping[str, Any], section: str, name: str, path: Path) -> Mapping[str, Any]:
    field_name = section.removesuffix("s")
    for entry in document.get(section) or ():
        if isinstance(entry, dict) and entry.get("name") == name:
            found = entry.get(field_name)
            if isinstance(found, dict):
                return found
    raise UnusableKubeconfig(f"{path} has no {field_name} {name!r}")


def _content(section: Mapping[str, Any], name: str, path: Path) -> bytes | None:
    embedded, named = section.get(f"{name}-data"), section.get(name)
    try:
        if isinstance(embedded, str):
            return base64.b64decode(embedded, validate=True)
        return (path.parent / named).read_bytes() if isinstance(named, str) else None
    except (binascii.Error, OSError) as error:
        raise UnusableKubeconfig(f"{path}: {name} cannot be read") from error


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Give bytes a name in memory: OpenSSL reads certificates from files alone."""
    descriptor = os.memfd_create("casemate-client", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
