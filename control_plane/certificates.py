"""Certificates and kubeconfigs of one control plane, made anew for each run."""

from __future__ import annotations

import datetime
import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a certificate and its private key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that signs for servers and for users, with its files in one folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rig")])
        self.files = self._sign("ca", self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))

    @property
    def certificate(self) -> Path:
        return self.files.certificate

    def server(self, name: str, hosts: Iterable[str]) -> Certificate:
        """Sign a certificate for a server that is reached under these host names and addresses."""
        return self._leaf(name, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), hosts)

    def user(self, user: str, groups: Iterable[str] = ()) -> Certificate:
        """Sign a client certificate: Kubernetes reads the user from its common name, groups from organizations."""
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        return self._leaf(f"user-{user}".replace(":", "-").replace("/", "-"), subject)

    def _leaf(self, file: str, subject: x509.Name, hosts: Iterable[str] = ()) -> Certificate:
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        extensions = [x509.ExtendedKeyUsage([usage]), *([names] if hosts else [])]
        return self._sign(file, subject, ec.generate_private_key(ec.SECP256R1()), *extensions)

    def _sign(
        self, file: str, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType
    ) -> Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LIFETIME)
            .not_valid_after(now + LIFETIME)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        signed = builder.sign(self._key, hashes.SHA256())
        files = Certificate(self._folder / f"{file}.crt", self._folder / f"{file}.key")
        files.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        write_key(files.key, key)
        return files


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a private key that only its owner can read."""
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


def write_token_keys(folder: Path) -> Certificate:
    """Write the key pair that signs service account tokens; its public half stands where a certificate would."""
    key = ec.generate_private_key(ec.SECP256R1())
    pair = Certificate(folder / "service-accounts.pub", folder / "service-accounts.key")
    write_key(pair.key, key)
    public = key.public_key()
    pair.certificate.write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return pair


def write_kubeconfig(path: Path, server: str, authority: Path, user: str, client: Certificate) -> Path:
    """Write a kubeconfig for one user of one API server; JSON is YAML too."""
    cluster = {"server": server, "certificate-authority": str(authority)}
    identity = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "rig", "cluster": cluster}],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": user}}],
        "current-context": "rig",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config, indent=2))
    return path
