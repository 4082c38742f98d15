"""What one run of uv or npm is given: the machine's settings, or a Secret's, never mixed up."""

from __future__ import annotations

import tomllib

import pytest

from casemate.node import registry_access
from casemate.node.default_registries import default_registries
from casemate.node.package_hosts import registry_destinations
from casemate.node.registry_access import npm_access, uv_access, uv_config
from casemate.node.registry_secret import InvalidRegistryConfig, PipIndexes, RegistryConfig

EXTRA = RegistryConfig(pip_conf="[global]\nextra-index-url = https://u:hunter2@reg.example/s/\n")
DEFAULT = RegistryConfig(pip_conf="[global]\nindex-url = https://u:hunter2@reg.example/s/\n")
SCOPE = RegistryConfig(npmrc="@corp:registry=http://corp.example/\n//corp.example/:_authToken=t\n")
WHOLE = RegistryConfig(npmrc="registry=http://corp.example/\n")
_NAMES = (
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL",
    "NPM_CONFIG_REGISTRY", "npm_config_registry", "NPM_CONFIG_USERCONFIG", "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS", "HTTPS_PROXY", "https_proxy",
)  # fmt: skip


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with settings of its own, in a home of its own."""
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config/uv").mkdir(parents=True)
    (tmp_path / "config/uv/uv.toml").write_text("offline = true\n")
    (tmp_path / ".npmrc").write_text(
        "registry=http://mirror.example/\n//mirror.example/:_authToken=machines-token\n"
        "proxy=http://proxy.example\n"
    )
    return tmp_path


def indexes(access) -> list[dict]:
    return tomllib.loads(access.private_files[".config/uv/uv.toml"].decode())["index"]


def test_without_a_secret_the_machines_settings_pass(monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mirror.example/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")

    uv, npm = uv_access(), npm_access()

    assert uv.private_files == {".config/uv/uv.toml": b"offline = true\n"}
    assert uv.environment["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    # The machine's proxy is asked by ours; its password is none of the tool's business.
    assert "proxy.example" not in f"{uv.environment}{npm.environment}"
    assert b"machines-token" in npm.private_files[".npmrc"]


def test_credentials_stand_in_a_private_file_and_nowhere_else():
    uv, npm = uv_access(DEFAULT), npm_access(SCOPE)

    assert b"hunter2" in uv.private_files[".config/uv/uv.toml"]
    assert "hunter2" not in f"{uv.environment}{uv.read_only}{uv}"
    assert b"_authToken=t" in npm.private_files[".npmrc"]
    assert "_authToken" not in f"{npm.environment}{npm.read_only}{npm}"


def test_the_secrets_index_is_asked_before_the_machines_default(monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mirror.example/simple")

    access = uv_access(EXTRA)

    assert indexes(access) == [{"url": "https://u:hunter2@reg.example/s/"}]
    assert access.environment["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"


def test_a_secret_that_names_the_default_leaves_no_other_index(monkeypatch):
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "https://mirror.example/simple")

    access = uv_access(DEFAULT)

    assert indexes(access) == [{"url": "https://u:hunter2@reg.example/s/", "default": True}]
    assert "mirror.example" not in str(access.environment)


def test_private_names_are_not_asked_of_the_machines_other_indexes(monkeypatch):
    monkeypatch.setenv("UV_INDEX", "https://curious.example/simple")
    monkeypatch.setenv("UV_EXTRA_INDEX_URL", "https://curious.example/simple")

    assert "curious.example" not in str(uv_access(EXTRA).environment)


def test_a_pip_index_of_the_machine_becomes_uvs(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")

    assert uv_access().environment["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert uv_access(EXTRA).environment["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"


def test_the_machines_npm_password_stays_away_from_a_secrets_run():
    text = npm_access(SCOPE).private_files[".npmrc"].decode()

    assert text == (
        "registry=http://mirror.example/\n"
        "@corp:registry=http://corp.example/\n//corp.example/:_authToken=t\n"
    )


def test_the_secrets_registry_comes_last_and_so_wins(monkeypatch):
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://mirror.example/")

    access = npm_access(WHOLE)

    assert access.private_files[".npmrc"].decode().splitlines()[-1] == (
        "registry=http://corp.example/"
    )
    assert "NPM_CONFIG_REGISTRY" not in access.environment
    assert npm_access(SCOPE).environment["NPM_CONFIG_REGISTRY"] == "http://mirror.example/"


def test_install_scripts_are_off_whatever_a_secret_says():
    access = npm_access(RegistryConfig(npmrc="ignore-scripts=false\nregistry=http://x/\n"))

    assert access.environment["npm_config_ignore_scripts"] == "true"
    assert b"ignore-scripts" not in access.private_files[".npmrc"]


@pytest.mark.parametrize("text", ["quote\"'", "back\\slash", "äö-🔑", "#hash=[x]"])
def test_any_printable_address_survives_the_translation(text):
    written = uv_config(PipIndexes(None, (f"https://u:{text}@reg.example/",)))

    assert tomllib.loads(written.decode()) == {
        "index": [{"url": f"https://u:{text}@reg.example/"}]
    }  # fmt: skip


def test_an_unusable_secret_is_refused_before_a_tool_starts():
    with pytest.raises(InvalidRegistryConfig):
        uv_access(RegistryConfig(pip_conf="[global]\n"))


@pytest.mark.parametrize(
    ("access", "name"), [(uv_access, "SSL_CERT_FILE"), (npm_access, "NODE_EXTRA_CA_CERTS")]
)
def test_the_machines_own_certificates_are_lent_to_the_tool(machine, monkeypatch, access, name):
    bundle = machine / "own.pem"
    bundle.write_text("x")
    monkeypatch.setenv(name, str(bundle))

    given = access()

    assert given.read_only == ((bundle, "/home/tool/ca-certificates.crt"),)
    assert given.environment[name] == "/home/tool/ca-certificates.crt"


def test_the_first_of_the_machines_bundles_is_lent_where_no_variable_names_one(
    machine, monkeypatch
):
    (machine / "known.pem").write_text("x")
    known = (str(machine / "absent.pem"), str(machine / "known.pem"))
    monkeypatch.setattr(registry_access, "_MACHINES_BUNDLES", known)

    assert [source for source, _ in uv_access().read_only] == [machine / "known.pem"]


def test_a_machine_without_a_bundle_leaves_the_tools_to_their_own_roots(monkeypatch):
    monkeypatch.setattr(registry_access, "_MACHINES_BUNDLES", ("/nowhere.pem",))

    for given, name in ((uv_access(), "SSL_CERT_FILE"), (npm_access(), "NODE_EXTRA_CA_CERTS")):
        assert given.read_only == ()
        assert name not in given.environment


def test_only_named_registries_can_be_reached(monkeypatch):
    monkeypatch.setenv("CASEMATE_PACKAGE_HOSTS", "files.corp.example, cdn.example:8443")

    public = registry_destinations({}, (), defaults=default_registries())
    hosts = {(one.host, one.port) for one in npm_access(SCOPE).destinations - public}

    assert hosts == {
        ("mirror.example", 80), ("corp.example", 80), ("files.corp.example", 443),
        ("cdn.example", 8443),
    }  # fmt: skip
