"""The keys that seal bodies at rest: AES-256-GCM, in one file that only its owner may read.

A key is named by its own digest, so a wrong file is noticed by name and not by garbage. Sealing
binds a body to its object: a row cannot stand in for another object, uid or revision.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from casemate.apiserver.store.data_dir import write_durably
from casemate.apiserver.store.failures import EncryptionKeyRefused

_KEY_BYTES = 32
# Random nonces of 96 bits are safe for 2**32 bodies under one key; `rotate_key` starts anew.
_NONCE_BYTES = 12
_MOST_FILE_BYTES = 64 * 1024
_OPEN_TO_OTHERS = 0o077


class Unsealable(ValueError):
    """A sealed body is not the one that this key sealed for this object."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by name; new bodies are sealed with the current one."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def fresh(cls) -> Self:
        """Return a keyring of one new key."""
        key = secrets.token_bytes(_KEY_BYTES)
        return cls(_name_of(key), {_name_of(key): key})

    def with_new_key(self) -> Keyring:
        """Return this keyring with a new current key; the old ones still open."""
        made = Keyring.fresh()
        return Keyring(made.current, {**self.keys, **made.keys})

    def only(self, names: Iterable[str]) -> Keyring:
        """Return the current key and the named ones."""
        kept = {self.current, *names}
        return Keyring(self.current, {name: key for name, key in self.keys.items() if name in kept})

    def seal(self, body: bytes, bound_to: bytes) -> bytes:
        """Encrypt with the current key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.keys[self.current]).encrypt(nonce, body, bound_to)

    def unseal(self, name: str, sealed: bytes, bound_to: bytes) -> bytes:
        """Decrypt. Raises Unsealable, and KeyError for a key that is not here."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self.keys[name]).decrypt(nonce, rest, bound_to)
        except (InvalidTag, ValueError) as error:
            raise Unsealable("does not belong here") from error

    def encoded(self) -> bytes:
        """Return the content of the file."""
        keys = {name: base64.b64encode(key).decode() for name, key in self.keys.items()}
        return json.dumps({"current": self.current, "keys": keys}, indent=1).encode() + b"\n"

    @classmethod
    def decoded(cls, content: bytes, where: str) -> Self:
        """Read the content of the file. Raises EncryptionKeyRefused."""
        try:
            tree = json.loads(content)
            keys = {
                str(name): base64.b64decode(key, validate=True)
                for name, key in tree["keys"].items()
            }
            current = str(tree["current"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _refused(f"{where} is no keyring") from error
        if current not in keys or any(_name_of(key) != name for name, key in keys.items()):
            raise _refused(f"{where} is damaged: a key does not have its name")
        return cls(current, keys)

    def save(self, path: Path) -> None:
        """Write the file: the old one or the new one is there at any moment."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(path, self.encoded())


def load_keyring(path: Path) -> Keyring | None:
    """Return the keyring of a file, None without one. Raises EncryptionKeyRefused."""
    try:
        # ATTACK: a link would let the file be somebody else's after it was looked at; owner and
        # mode are asked of what was opened. tests/unit/apiserver/store/test_encryption.py
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise EncryptionKeyRefused(
                f"{path} is not a file of this user", hint=f"chown {os.geteuid()} {path}"
            )
        if found.st_mode & _OPEN_TO_OTHERS:
            raise EncryptionKeyRefused(
                f"others may read {path}",
                hint=f"chmod 600 {path}; then casemate rotate-key, it may have been read",
            )
        return Keyring.decoded(file.read(_MOST_FILE_BYTES), str(path))


def _name_of(key: bytes) -> str:
    if len(key) != _KEY_BYTES:
        return ""
    return blake2b(key, digest_size=8, person=b"casemate-key").hexdigest()


def _refused(message: str) -> EncryptionKeyRefused:
    return EncryptionKeyRefused(
        message, hint="put back the encryption.key that belongs to this database, or restore"
    )
