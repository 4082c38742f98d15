"""The kubeconfig of a caller with a client certificate, with everything inline in one file.

Written as JSON, which is YAML too: every client reads it, and our own commands need no YAML reader.
"""

from __future__ import annotations

import base64
import json

from casemate.apiserver.access.certificates import KeyPair


def kubeconfig(url: str, ca: bytes, client: KeyPair, *, user: str, namespace: str) -> str:
    """Return the text; it holds the private key, so its file is for its owner alone."""
    name = "casemate"
    shape = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": url, "certificate-authority-data": _text(ca)},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _text(client.certificate),
                    "client-key-data": _text(client.key),
                },
            }
        ],
        "contexts": [
            {
                "name": name,
                "context": {"cluster": name, "user": user, "namespace": namespace},
            }
        ],
        "current-context": name,
        "preferences": {},
    }
    return json.dumps(shape, indent=1) + "\n"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
