import json
import os
import signal
import subprocess
import sys
import time

import pytest

from casemate.apiserver.store.data_dir import DataDirLock
from casemate.apiserver.store.failures import DataDirInUse, EncryptionKeyRefused
from casemate.apiserver.store.rotation import rotate_key
from support.stores import SECRETS, fill, values


def key_names(directory) -> set[str]:
    return set(json.loads((directory / "keys" / "encryption.key").read_bytes())["keys"])


def test_rotation_seals_every_row_with_the_new_key_and_drops_the_old(tmp_path):
    fill(tmp_path / "store.sqlite", 1200, SECRETS, "v")
    before = key_names(tmp_path)

    made = rotate_key(tmp_path)

    assert made.objects == 1200
    assert key_names(tmp_path) == {made.key_name}
    assert before.isdisjoint({made.key_name})
    assert set(values(tmp_path / "store.sqlite", SECRETS).values()) == {"v"}


def test_a_rotation_that_is_killed_loses_nothing_and_can_be_run_again(tmp_path):
    fill(tmp_path / "store.sqlite", 1500, SECRETS, "v")
    code = f"from pathlib import Path; from casemate.apiserver.store.rotation import rotate_key; print(1, flush=True); rotate_key(Path({str(tmp_path)!r}))"
    for round_number in range(6):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(0.04 * round_number)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()

        found = values(tmp_path / "store.sqlite", SECRETS)
        assert (len(found), set(found.values())) == (1500, {"v"})

    last = rotate_key(tmp_path)

    assert key_names(tmp_path) == {last.key_name}
    assert len(values(tmp_path / "store.sqlite", SECRETS)) == 1500


def test_no_rotation_under_a_running_engine_or_without_a_store(tmp_path):
    with pytest.raises(EncryptionKeyRefused, match="no encrypted store"):
        rotate_key(tmp_path)
    fill(tmp_path / "store.sqlite", 1, SECRETS)

    with DataDirLock(tmp_path), pytest.raises(DataDirInUse):
        rotate_key(tmp_path)
