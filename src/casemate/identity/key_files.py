"""Keep a signing key in a file that only its owner can read. The package's only disk access."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import ClassVar

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from casemate.errors import InvalidInput
from casemate.identity.keys import SigningKey

_MAX_KEY_FILE_BYTES = 16 * 1024


class UnusableKeyFile(InvalidInput):
    """A key file that is not ours alone, or holds no signing key."""

    code: ClassVar[str] = "UnusableKeyFile"


def save_signing_key(key: SigningKey, path: Path) -> None:
    """Write `key` to a new file of mode 0600; raises FileExistsError rather than replace one."""
    # ATTACK: O_EXCL and O_NOFOLLOW keep a planted link from choosing where the key lands, and the
    # mode is given at creation, so that there is no moment at which others can open the file.
    # tests/unit/identity/test_key_files.py
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(key.private.as_pem(private=True))
        file.flush()
        os.fsync(file.fileno())


def load_signing_key(path: Path) -> SigningKey:
    """Read a key back; refuses a file that anybody else could have read or written."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise UnusableKeyFile(f"key file {path} is not a regular file of this user")
        if status.st_mode & 0o077:
            raise UnusableKeyFile(
                f"key file {path} is open to others, mode {status.st_mode & 0o777:04o}",
                hint=f"make a new key; this one may be known: rm {path}",
            )
        pem = file.read(_MAX_KEY_FILE_BYTES)
    try:
        return SigningKey.of(ECKey.import_key(pem))
    except (JoseError, ValueError, TypeError) as error:
        raise UnusableKeyFile(f"key file {path} holds no private EC key") from error
