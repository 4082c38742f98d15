"""What apt is told when a Python comes from a Debian suite."""

from __future__ import annotations

import subprocess

import pytest

from casemate.node import debian_rootfs


def apt_setting(place, name: str) -> str:
    """Ask apt itself how it reads our file, whatever the machine's own configuration says."""
    done = subprocess.run(
        ["apt-config", "shell", "VALUE", name],
        env={"APT_CONFIG": str(place / "apt.conf"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().removeprefix("VALUE=").strip("'")


@pytest.mark.parametrize(("allowed", "checked"), [(False, "true"), (True, "false")])
def test_the_age_of_a_suite_is_checked_unless_allowed(tmp_path, allowed, checked):
    debian_rootfs._configure(tmp_path, "trixie", allow_stale=allowed)

    assert apt_setting(tmp_path, "Acquire::Check-Valid-Until") == checked


def test_unsigned_suites_are_never_accepted(tmp_path):
    debian_rootfs._configure(tmp_path, "trixie", allow_stale=True)

    assert apt_setting(tmp_path, "APT::Get::AllowUnauthenticated") == "false"
    assert apt_setting(tmp_path, "Acquire::AllowInsecureRepositories") == "false"
    assert "Signed-By: /usr/share/keyrings/" in (tmp_path / "debian.sources").read_text()


def test_the_mirrors_address_is_in_a_file_of_ours_alone(tmp_path):
    debian_rootfs._configure(tmp_path, "trixie", allow_stale=False)

    assert (tmp_path / "debian.sources").stat().st_mode & 0o077 == 0
