"""The CA of one machine: private files, renewed leaves, and a server that its clients verify."""

from __future__ import annotations

import ssl
from datetime import timedelta

import pytest
from cryptography import x509

from casemate import clock
from casemate.apiserver.access import certificates
from casemate.apiserver.access.certificates import (
    UnreadableKeys,
    ensure_certificates,
    subject_of,
)


def handshake(server, client):
    """Run both ends of TLS in memory; returns the server's end."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    waiting = {ours, theirs}
    while waiting:
        for end in tuple(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.discard(end)
    # TLS 1.3 brings the client's certificate with its last words.
    theirs.write(b"x")
    ours.read(1)
    return ours


def a_client(found, pair=None):
    context = ssl.create_default_context(cadata=found.ca.decode())
    if pair is not None:
        context.load_cert_chain(found.directory / f"{pair}.crt", found.directory / f"{pair}.key")
    return context


def test_every_file_is_its_owners_alone(tmp_path):
    ensure_certificates(tmp_path / "pki")

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "pki").iterdir()}
    assert set(modes.values()) == {0o600}
    assert sorted(modes) == [
        "admin.crt",
        "admin.key",
        "ca.crt",
        "ca.key",
        "server.crt",
        "server.key",
    ]
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_a_second_start_keeps_everything(tmp_path):
    first = ensure_certificates(tmp_path)
    second = ensure_certificates(tmp_path)

    assert first == second


def test_a_new_name_makes_a_new_server_certificate_and_keeps_the_ca(tmp_path):
    first = ensure_certificates(tmp_path)
    second = ensure_certificates(tmp_path, ("api.example.com", "192.0.2.7"))

    names = x509.load_pem_x509_certificate(second.server.certificate).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "api.example.com" in found.get_values_for_type(x509.DNSName)
    assert "192.0.2.7" in map(str, found.get_values_for_type(x509.IPAddress))
    assert (first.ca, first.admin) == (second.ca, second.admin)


def test_a_leaf_close_to_its_end_is_renewed(tmp_path, monkeypatch):
    first = ensure_certificates(tmp_path)
    later = clock.now() + timedelta(days=certificates.LEAF_DAYS - 10)
    monkeypatch.setattr(clock, "now", lambda: later)

    second = ensure_certificates(tmp_path)

    assert second.ca == first.ca
    assert second.server != first.server
    assert second.admin != first.admin


def test_a_key_that_others_may_read_is_refused(tmp_path):
    ensure_certificates(tmp_path)
    (tmp_path / "ca.key").chmod(0o640)

    with pytest.raises(UnreadableKeys, match="may be read by others"):
        ensure_certificates(tmp_path)


def test_a_damaged_certificate_is_refused_with_the_way_out(tmp_path):
    ensure_certificates(tmp_path)
    (tmp_path / "server.crt").write_bytes(b"nonsense")

    with pytest.raises(UnreadableKeys, match="remove both files"):
        ensure_certificates(tmp_path)


def test_the_server_learns_who_its_client_is(tmp_path):
    found = ensure_certificates(tmp_path)

    end = handshake(found.server_context(), a_client(found, "admin"))

    certificate = end.getpeercert(binary_form=True)
    assert certificate is not None
    assert subject_of(certificate) == ("casemate-admin", ("system:masters",))


def test_a_client_without_certificate_is_let_in_as_nobody(tmp_path):
    found = ensure_certificates(tmp_path)

    end = handshake(found.server_context(), a_client(found))

    assert end.getpeercert(binary_form=True) is None


def test_a_certificate_of_another_ca_ends_the_handshake(tmp_path):
    found = ensure_certificates(tmp_path / "ours")
    other = ensure_certificates(tmp_path / "theirs")
    client = a_client(found)
    client.load_cert_chain(other.directory / "admin.crt", other.directory / "admin.key")

    with pytest.raises(ssl.SSLError):
        handshake(found.server_context(), client)


def test_the_servers_own_certificate_does_not_open_the_api(tmp_path):
    # ATTACK: a certificate for serving, taken from a server, is no credential of a client.
    found = ensure_certificates(tmp_path)

    with pytest.raises(ssl.SSLError):
        handshake(found.server_context(), a_client(found, "server"))


def test_old_tls_is_not_spoken(tmp_path):
    context = ensure_certificates(tmp_path).server_context()

    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_keys_do_not_show_in_texts(tmp_path):
    assert "PRIVATE" not in repr(ensure_certificates(tmp_path))
