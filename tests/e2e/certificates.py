"""A certificate authority like istiod's, and workload certificates as it signs them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = 24 * 3600.0

#: How far istiod dates a certificate back, for clocks that differ.
SKEW = 120.0


class Credentials(NamedTuple):
    """What the agent writes, each in PEM: the key, the certificate with any intermediate, the mesh's root."""

    key: bytes
    chain: bytes
    root: bytes


class Authority:
    """Signs workload certificates, with its root or with an intermediate below it."""

    def __init__(
        self, organization: str = "cluster.local", *, intermediate: bool = False, trust_domain: str = "cluster.local"
    ) -> None:
        """Make a root, and an intermediate if asked for.

        Args:
            organization: the root's name. Two authorities never trust each other, whatever they are called.
            intermediate: whether to sign with an intermediate, as istiod does with plugged-in certificates.
            trust_domain: the first part of every identity.
        """
        self.trust_domain = trust_domain
        root_key = ec.generate_private_key(ec.SECP256R1())
        root_name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
        root = _authority(root_name, root_key, root_name, root_key)
        self.root = root.public_bytes(serialization.Encoding.PEM)
        self._key, self._name, self._above = root_key, root_name, b""
        if intermediate:
            self._key = ec.generate_private_key(ec.SECP256R1())
            self._name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{organization} intermediate")])
            signed = _authority(self._name, self._key, root_name, root_key)
            self._above = signed.public_bytes(serialization.Encoding.PEM)

    def workload(self, namespace: str, service_account: str, *, lifetime: float = DAY, age: float = 0.0) -> Credentials:
        """Make a key and sign a certificate whose only name is a SPIFFE URI.

        Args:
            namespace: of the workload.
            service_account: of the workload.
            lifetime: seconds from its issue until it expires.
            age: seconds since its issue; more than ``lifetime`` makes an expired one.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        uri = f"spiffe://{self.trust_domain}/ns/{namespace}/sa/{service_account}"
        issued = _now() - dt.timedelta(seconds=age)
        # The subject is empty, so the alternative name must be critical (RFC 5280, 4.2.1.6).
        certificate = (
            _builder(x509.Name([]), key, self._name, self._key)
            .not_valid_before(issued - dt.timedelta(seconds=SKEW))
            .not_valid_after(issued + dt.timedelta(seconds=lifetime))
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True, key_encipherment=True), critical=True)
            .add_extension(_both_ends(), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return Credentials(_key_pem(key), pem + self._above, self.root)


def _authority(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    now = _now()
    return (
        _builder(name, key, issuer, issuer_key)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def _builder(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )


def _usage(**wanted: bool) -> x509.KeyUsage:
    every: Sequence[str] = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in every})


def _both_ends() -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
