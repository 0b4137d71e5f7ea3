"""`rvps`, `grpc-as` and `kbs` as three processes, as the published cluster runs them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from pathlib import Path

_KBS: Final = """
insecure_sample_evidence = true
[http_server]
sockets = ["127.0.0.1:{port}"]
insecure_http = true
worker_count = {workers}
[attestation_token]
trusted_certs_paths = ["{root}"]
[attestation_service]
type = "coco_as_grpc"
as_addr = "{service}"
pool_size = 100
[admin]
authorization_mode = "InsecureAllowAll"
[storage_backend]
storage_type = "LocalFs"
[storage_backend.backends.local_fs]
dir_path = "{store}"
[[plugins]]
name = "resource"
storage_backend_type = "kvstorage"
"""


class Cluster:
    """The three programs, in `folder`. `start` starts them in the order in which they need each other."""

    def __init__(self, folder: Path, *, tls: bool = False, workers: int = 1) -> None:
        self.folder = folder
        self.rvps_port, self.as_port, self.kbs_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.kbs_port}"
        self.root = issue_chain(folder)
        flags: list[str | Path] = []
        environment = {}
        if tls:
            flags = ["-t", folder / "token.pem", "-k", folder / "token.key"]
            environment = {"SSL_CERT_FILE": str(self.root)}
        self.rvps = Program(
            "rvps", "-c", self._rvps_file(), "-a", f"127.0.0.1:{self.rvps_port}", ready=Tcp(self.rvps_port)
        )
        self.service = Program(
            "grpc-as", "-c", self._as_file(), "-s", f"127.0.0.1:{self.as_port}", *flags, ready=Tcp(self.as_port)
        )
        config = folder / "kbs.toml"
        address = f"https://localhost:{self.as_port}" if tls else f"http://127.0.0.1:{self.as_port}"
        config.write_text(
            _KBS.format(
                port=self.kbs_port,
                workers=workers,
                root=self.root,
                service=address,
                store=folder / "store-of-kbs",
            )
        )
        self.kbs = Program("kbs", "--config-file", config, ready=Tcp(self.kbs_port), env=environment)
        self._running = ExitStack()

    def _rvps_file(self) -> Path:
        backends = {"local_fs": {"dir_path": str(self.folder / "store-of-rvps")}}
        return self._written("rvps.json", {"storage": {"storage_type": "LocalFs", "backends": backends}})

    def _as_file(self) -> Path:
        signer = {"key_path": str(self.folder / "token.key"), "cert_path": str(self.folder / "token.pem")}
        document = {
            "rvps_config": {"type": "GrpcRemote", "address": f"http://127.0.0.1:{self.rvps_port}"},
            "attestation_token_broker": {"duration_min": 5, "signer": signer},
        }
        return self._written("as.json", document)

    def _written(self, name: str, document: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(document))
        return path

    def start(self, program: Program) -> None:
        """Start one of the programs; it is stopped with the cluster."""
        self._running.enter_context(program)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *arguments: object) -> None:
        self._running.__exit__(*arguments)  # type: ignore[arg-type]  # as `with` passes them


def issue_chain(folder: Path) -> Path:
    """Write `token.key`, `token.pem` (a leaf for localhost and its root) and `root.pem`; return the last."""
    key, root = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now, day = datetime.now(UTC), timedelta(days=1)

    def builder(name: str, public: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.CertificateBuilder:
        subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, "root"))
        made = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number(), now - day, now + day)
        return made.add_extension(x509.BasicConstraints(ca, None), critical=True)

    leaf = builder("localhost", key.public_key(), ca=False)
    leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    anchor = builder("root", root.public_key(), ca=True).sign(root, hashes.SHA256()).public_bytes(pem)
    (folder / "root.pem").write_bytes(anchor)
    (folder / "token.pem").write_bytes(leaf.sign(root, hashes.SHA256()).public_bytes(pem) + anchor)
    (folder / "token.key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    (folder / "token.key").chmod(0o600)
    return folder / "root.pem"
