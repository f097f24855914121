"""The image's bundle of authorities: what is taken, what is refused, and a real Postgres that is believed by it alone."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deployments.ca_bundle import Refused, fetch, main
from embedded.postgres import obtain_postgres
from shardlake.connection.address import Tls
from shardlake.connection.postgres import SSLMODE

PEM = serialization.Encoding.PEM
PLAIN = serialization.NoEncryption()
KEY = serialization.PrivateFormat.PKCS8


class Authority:
    """An authority of this test's own, which signs servers."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self.pem = self._certificate(self.name, self.key.public_key()).add_extension(constraints, critical=True)
        self.certificate = self.pem.sign(self.key, hashes.SHA256()).public_bytes(PEM)

    def _certificate(self, name: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key)
        return made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))

    def server(self, address: str) -> tuple[bytes, bytes]:
        """A server's certificate and key, for an IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        made = self._certificate(name, key.public_key()).add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        return made.public_bytes(PEM), key.private_bytes(PEM, KEY, PLAIN)


@pytest.fixture(scope="module")
def ours() -> Authority:
    return Authority("ours")


@pytest.fixture
def bundle(ours: Authority, tmp_path: Path) -> Iterator[tuple[str, bytes]]:
    """The address of a bundle of two authorities on a web server, and what is in it."""
    content = ours.certificate + Authority("another").certificate
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "bundle.pem").write_bytes(content)
    (folder / "page.html").write_text("<html>sign in first</html>")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *words: object) -> None:
            super().__init__(*words, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, format: str, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/bundle.pem", content
    server.shutdown()


def test_a_bundle_is_taken_by_its_checksum_and_nothing_else_is(bundle: tuple[str, bytes], tmp_path: Path) -> None:
    address, content = bundle
    file, checksum = tmp_path / "ca" / "bundle.pem", hashlib.sha256(content).hexdigest()
    with pytest.raises(Refused, match="take https, or give the bundle's sha256"):
        fetch(address, file)
    with pytest.raises(Refused, match=f"its sha256 is {checksum}, not 00"):
        fetch(address, file, "00")
    page = address.replace("bundle.pem", "page.html")
    with pytest.raises(Refused, match="holds no certificates in PEM"):
        fetch(page, file, hashlib.sha256(b"<html>sign in first</html>").hexdigest())
    assert not file.exists()
    assert fetch(address, file, checksum) == 2
    assert file.read_bytes() == content


def test_the_build_makes_the_folder_and_no_bundle_where_none_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ca" / "bundle.pem"
    assert main(["", str(file), ""]) == 0
    assert list(tmp_path.iterdir()) == [file.parent]
    assert not file.exists()
    assert main(["http://127.0.0.1:9/bundle.pem", str(file), "00"]) == 1
    assert "Connection refused" in capsys.readouterr().err


def test_a_server_is_believed_by_the_bundle_and_by_no_other(ours: Authority, bundle: tuple[str, bytes], tmp_path: Path) -> None:
    """Postgres with a certificate of our authority, reached as `tls: {mode: verify_identity, ca: …}` has it."""
    file, stranger = tmp_path / "bundle.pem", tmp_path / "stranger.pem"
    fetch(bundle[0], file, hashlib.sha256(bundle[1]).hexdigest())
    stranger.write_bytes(Authority("a stranger").certificate)
    with obtain_postgres(tmp_path / "postgres") as server:
        if server.datadir is None:
            pytest.skip("the server is not ours to give a certificate to")
        certificate, key = ours.server(server.host)
        owner = server.datadir.stat()
        for name, content in {"server.crt": certificate, "server.key": key}.items():
            (server.datadir / name).write_bytes(content)
            (server.datadir / name).chmod(0o600)
            shutil.chown(server.datadir / name, owner.st_uid, owner.st_gid)
        server.execute("ALTER SYSTEM SET ssl = on")
        server.execute("SELECT pg_reload_conf()")
        believed = Tls(mode="verify_identity", ca=str(file))

        def encrypted(ca: str) -> bool:
            words = {"sslmode": SSLMODE[believed.mode], "sslrootcert": ca, "connect_timeout": "10"}
            with psycopg.connect(server.url(), **words) as connection:  # type: ignore[arg-type]
                [found] = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() or [False]
            return bool(found)

        assert encrypted(str(believed.ca))
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            encrypted(str(stranger))
