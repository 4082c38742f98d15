"""A registry Secret is taken apart strictly, and nothing of it is ever repeated."""

from __future__ import annotations

import base64
import logging

import pytest

from casemate.api.catalogue import Language
from casemate.node.registry_secret import (
    InvalidRegistryConfig,
    RegistryConfig,
    npm_settings,
    pip_indexes,
)

AUTH = base64.b64encode(b"u:hunter2").decode()
NPMRC = f"registry=http://reg.example/\n//reg.example/:_auth={AUTH}\n"
PIP_CONF = "[global]\nindex-url = https://u:hunter2@reg.example/simple/\n"


def test_the_two_files_are_taken_out_of_the_secret():
    found = RegistryConfig.from_secret({".npmrc": NPMRC.encode(), "pip.conf": b"", "other": b"x"})

    assert (found.npmrc, found.pip_conf) == (NPMRC, "")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a=\0", b"x" * 65537])
def test_what_is_no_small_text_is_refused_without_being_quoted(content):
    with pytest.raises(InvalidRegistryConfig) as error:
        RegistryConfig.from_secret({".npmrc": content})

    assert ".npmrc" in str(error.value)
    assert error.value.__cause__ is None


def test_a_config_shows_nothing_of_itself():
    config = RegistryConfig(npmrc=NPMRC, pip_conf=PIP_CONF)

    assert repr(config) == str(config) == "RegistryConfig()"


def test_each_language_gets_its_own_file_alone():
    config = RegistryConfig(npmrc=NPMRC, pip_conf=PIP_CONF)

    assert config.concerning(Language.PYTHON) == RegistryConfig(pip_conf=PIP_CONF)
    assert config.concerning(Language.NODEJS) == RegistryConfig(npmrc=NPMRC)
    assert RegistryConfig(npmrc=NPMRC, pip_conf=" \n").concerning(Language.PYTHON) is None


def test_the_fingerprint_tells_passwords_apart_and_needs_the_key():
    one, other = RegistryConfig(pip_conf=PIP_CONF), RegistryConfig(pip_conf=PIP_CONF + "#")

    assert one.fingerprint(b"k") == RegistryConfig(pip_conf=PIP_CONF).fingerprint(b"k")
    assert len({one.fingerprint(b"k"), one.fingerprint(b"j"), other.fingerprint(b"k")}) == 3
    # The border between the two files counts too.
    assert RegistryConfig("a", "b").fingerprint(b"k") != RegistryConfig("ab", "").fingerprint(b"k")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (RegistryConfig(pip_conf=PIP_CONF), "failed for u with hunter2"),
        (RegistryConfig(pip_conf=PIP_CONF), f"sent Basic {AUTH}"),
        (RegistryConfig(pip_conf=PIP_CONF.replace("hunter2", "hunter%32")), "read as hunter2"),
        (RegistryConfig(pip_conf=PIP_CONF.replace("u:", "")), "token hunter2 is unknown"),
        (RegistryConfig(npmrc=NPMRC), f"bad _auth {AUTH}"),
        (RegistryConfig(npmrc=NPMRC), "u and hunter2"),
        (RegistryConfig(npmrc="//r/:_authToken = hunter2"), "bad token hunter2"),
        (RegistryConfig(npmrc='//r/:_authToken="hunter2"'), "bad token hunter2"),
        (RegistryConfig(npmrc="//r/:_password=aHVudGVyMg=="), "password hunter2"),
        (RegistryConfig(npmrc="registry=http://u:hunter2@r/"), "at hunter2"),
    ],
)
def test_no_form_of_a_password_stays_in_what_a_tool_says(config, said):
    shown = config.hide(said)

    assert "hunter2" not in shown
    assert AUTH not in shown
    assert "***" in shown


def test_of_an_npmrc_only_registries_and_credentials_are_kept():
    npmrc = (
        "; comment\nregistry = http://reg.example/\n@corp:registry=http://corp.example/\n"
        "//reg.example/:_authToken=abc\nalways-auth=true\nignore-scripts=false\n"
        "script-shell=/bin/evil\nnode-options=--require=/work/evil.js\nproxy=http://evil.example\n"
        "globalconfig=/etc/shadow\nprefix=/\nregistry\n"
    )

    assert npm_settings(npmrc, credentials=True) == (
        "registry=http://reg.example/",
        "@corp:registry=http://corp.example/",
        "//reg.example/:_authToken=abc",
        "always-auth=true",
    )
    assert npm_settings(npmrc, credentials=False) == (
        "registry=http://reg.example/",
        "@corp:registry=http://corp.example/",
    )


def test_an_npmrc_cannot_read_the_tools_environment():
    with pytest.raises(InvalidRegistryConfig, match="variable of the environment"):
        npm_settings("registry=http://evil.example/${HTTPS_PROXY}", credentials=True)


def test_the_indexes_of_a_pip_conf_are_found():
    text = "[global]\nindex-url=https://a/simple\nextra-index-url =\n  https://b/\n  http://c/\n"

    assert pip_indexes(text) == ("https://a/simple", ("https://b/", "http://c/"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("index-url = https://u:hunter2@r/", "cannot be read"),
        ("[global]\nindex-url = https://u:hunter2@r/\nindex-url = x", "cannot be read"),
        ("[global]\nhunter2", "cannot be read"),
        ("[global]\ntimeout = 3", "names no index"),
        ("[install]\nindex-url = https://u:hunter2@r/", "names no index"),
        ("[global]\nindex-url = file:///hunter2", "no http"),
        ("[global]\nindex-url = https://u:hunter2@", "no http"),
        ("[global]\nindex-url = https://[hunter2/", "no http"),
        ("[global]\nindex-url = https://r/\x7fhunter2", "no http"),
    ],
)
def test_a_pip_conf_without_a_usable_index_is_refused_without_being_quoted(text, reason, caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(InvalidRegistryConfig) as error:
        pip_indexes(text)

    assert reason in str(error.value)
    # A log of the error shows its cause as well.
    assert "hunter2" not in f"{error.value}{error.value.__cause__}{caplog.text}"
