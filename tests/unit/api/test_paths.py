"""Which paths a manifest may mount over."""

from __future__ import annotations

import pytest

from casemate.api.paths import refused_mount_path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("relative", "it is not absolute"),
        ("", "it is not absolute"),
        ("/" + "a" * 1024, "it is longer than 1024 characters"),
        ("/a:b", "it holds a ':' or an unprintable character"),
        ("/a\nb", "it holds a ':' or an unprintable character"),
        ("/a/../etc", "it holds '.' or '..'"),
        ("/a/./b", "it holds '.' or '..'"),
        ("/", "it is the root of the file system"),
        ("//", "it is the root of the file system"),
        ("/app", "/app is reserved: it holds the Function's source and packages"),
        ("/app/function/x", "/app is reserved: it holds the Function's source and packages"),
        ("//app", "/app is reserved: it holds the Function's source and packages"),
        ("/app//x/", "/app is reserved: it holds the Function's source and packages"),
        ("/opt", "/opt/casemate is reserved: it holds the runtime"),
        ("/opt/casemate/x", "/opt/casemate is reserved: it holds the runtime"),
        ("/tmp/x", "/tmp is reserved: it is the Function's scratch space"),
        ("/proc/1", "/proc is reserved: it belongs to the kernel"),
        ("/var", "/var/run is reserved: it holds sockets of the platform"),
        ("/usr/src/app", "/usr is reserved: it belongs to the image"),
        ("/etc/ssl", "/etc is reserved: it belongs to the image"),
    ],
)
def test_a_reserved_path_is_refused_with_the_reason(path, reason):
    assert refused_mount_path(path) == reason


@pytest.mark.parametrize(
    "path", ["/secrets/a", "/application", "/opt/mine", "/var/lib/x", "/mnt/a b", "/kubeless/x/"]
)
def test_a_path_of_the_users_own_is_free(path):
    assert refused_mount_path(path) is None
