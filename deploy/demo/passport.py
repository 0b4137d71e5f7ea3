"""Passport mode: one broker attests and issues a token, another gives the secret away on it.

The issuing broker keeps nothing and appraises nothing: `grpc-as` does, and signs tokens with a key under a chain of two
certificates. The broker with the resource has no attestation service: it trusts the root of that chain.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.demo.stage import RED, Ended, Stage, expect

if TYPE_CHECKING:
    from pathlib import Path

SECRET: Final = b"the far side is not dark"
RESOURCE: Final = "default/key/1"
INSECURE: Final = {"ATTESTACK_INSECURE_SAMPLE_EVIDENCE": "1"}
ISSUER: Final = """[http_server]
sockets = ["127.0.0.1:{port}"]
insecure_http = true
[admin]
authorization_mode = "DenyAll"
[attestation_token]
trusted_certs_paths = ["{root}"]
[attestation_service]
type = "coco_as_grpc"
as_addr = "http://127.0.0.1:{grpc_as}"
"""
KEEPER: Final = """[http_server]
sockets = ["127.0.0.1:{port}"]
insecure_http = true
[admin]
authorization_mode = "InsecureAllowAll"
[attestation_token]
trusted_certs_paths = ["{root}"]
[[plugins]]
name = "resource"
storage_backend_type = "kvstorage"
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """A root, and a token signer that it endorses, as files."""

    root: Path
    signer_key: Path
    signer_chain: Path

    @classmethod
    def make(cls, folder: Path, name: str) -> Authority:
        """Make keys and certificates that are good for a day."""
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _certificate(f"{name} root", root_key, f"{name} root", root_key, is_authority=True)
        leaf = _certificate(f"{name} token signer", key, f"{name} root", root_key, is_authority=False)
        made = cls(folder / f"{name}-root.pem", folder / f"{name}-signer.key", folder / f"{name}-chain.pem")
        made.root.write_bytes(root)
        made.signer_chain.write_bytes(leaf + root)
        made.signer_key.write_bytes(private_pem(key))
        return made


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Encode a private key in PKCS#8."""
    encryption = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def passport(stage: Stage) -> None:
    """(g) A token is got at one broker and spent at another; a third, which trusts another root, refuses it."""
    stage.scene("(g) Passport: grpc-as appraises, one broker issues the token, another gives the secret on it")
    ours, others = Authority.make(stage.folder, "ours"), Authority.make(stage.folder, "others")
    _start_issuer(stage, ours)
    _start_keeper(stage, "keeper", stage.ports.keeper, ours)
    key, token = stage.folder / "tee.key", stage.folder / "token"
    key.write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
    attested = _kbs_client(stage, stage.ports.issuer, "attest", "--tee-key-file", key.name)
    expect(attested.status == 0, f"the issuing broker issued no token: {attested.err}")
    token.write_text(attested.out)
    stage.tell("issuer", f"a token of {len(attested.out.strip())} characters, signed under {ours.root.name}")
    spend = ("get-resource", "--path", RESOURCE, "--attestation-token", token.name, "--tee-key-file", key.name)
    spent = _kbs_client(stage, stage.ports.keeper, *spend)
    expect(spent.status == 0, f"the token was not taken: {spent.err}")
    secret = base64.b64decode(spent.out)
    stage.tell("keeper", secret.decode())
    expect(secret == SECRET, "another secret came")
    _start_keeper(stage, "stranger", stage.ports.stranger, others)
    refused = _kbs_client(stage, stage.ports.stranger, *spend)
    stage.tell("stranger", refused.err.strip())
    expect(refused.status != 0 and "TOKEN-" in refused.err, "a token of an unknown issuer was taken")


def _start_issuer(stage: Stage, authority: Authority) -> None:
    grpc_as = stage.ports.grpc_as
    config = stage.folder / "as.json"
    signer = {"key_path": str(authority.signer_key), "cert_path": str(authority.signer_chain)}
    config.write_text(json.dumps({"attestation_token_broker": {"signer": signer}}))
    stage.start("grpc-as", "-c", str(config), "-s", f"127.0.0.1:{grpc_as}", ready=grpc_as)
    port, file = stage.ports.issuer, stage.folder / "issuer.toml"
    file.write_text(ISSUER.format(port=port, root=authority.root, grpc_as=grpc_as))
    stage.start("kbs", "--config-file", str(file), ready=port)
    stage.tell("issuer", f"kbs on 127.0.0.1:{port} asks grpc-as on 127.0.0.1:{grpc_as}; it has no resources")


def _start_keeper(stage: Stage, name: str, port: int, authority: Authority) -> None:
    file = stage.folder / f"{name}.toml"
    file.write_text(KEEPER.format(port=port, root=authority.root))
    stage.start("kbs", "--config-file", str(file), env=INSECURE, ready=port)
    stage.tell(name, f"kbs on 127.0.0.1:{port} trusts {authority.root.name}")
    stage.tell(name, "ITS SAMPLE GATE IS OPEN (ATTESTACK_INSECURE_SAMPLE_EVIDENCE=1), as above", colour=RED)
    (stage.folder / "passport-secret").write_bytes(SECRET)
    for arguments in (
        ("set-resource", "--path", RESOURCE, "--resource-file", "passport-secret"),
        ("set-resource-policy", "--allow-all"),
    ):
        done = _kbs_client(stage, port, "config", *arguments)
        expect(done.status == 0, f"kbs-client failed: {done.err}")


def _kbs_client(stage: Stage, port: int, *arguments: str) -> Ended:
    return stage.command("kbs-client", "--url", f"http://127.0.0.1:{port}", *arguments)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> bytes:
    now = dt.datetime.now(dt.UTC)
    subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer))
    builder = (
        x509.CertificateBuilder(by, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
