"""Configuration files for `kbs` as a real process, in the form that stock brokers read."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Self

from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TEXT = """
{switches}
[http_server]
sockets = ["127.0.0.1:{port}"]
insecure_http = true
{http_server}

[attestation_token]
{attestation_token}

[attestation_service]
type = "coco_as_builtin"
timeout = 5

[attestation_service.attestation_token_broker]
duration_min = 5

[attestation_service.rvps_config]
type = "BuiltIn"

[admin]
authorization_mode = "InsecureAllowAll"

[storage_backend]
storage_type = "{storage}"

{backend}

[[plugins]]
name = "resource"
storage_backend_type = "kvstorage"
"""

ALLOW = 'package policy\nimport rego.v1\ndefault allow := false\nallow if data.plugin == "resource"\n'
SAMPLES = "insecure_sample_evidence = true"


class Kbs:
    """One `kbs` process, its configuration and its address."""

    def __init__(
        self,
        folder: Path,
        *,
        storage: str = "LocalFs",
        switches: str = SAMPLES,
        attestation_token: str = "",
        http_server: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / f"kbs-{self.port}.toml"
        backend = {
            "Memory": "",
            "LocalFs": f'[storage_backend.backends.local_fs]\ndir_path = "{folder / "store"}"',
            "Sqlite": f'[storage_backend.backends.sqlite]\npath = "{folder / "store.sqlite"}"',
        }[storage]
        config.write_text(
            _TEXT.format(
                switches=switches,
                port=self.port,
                http_server=http_server,
                attestation_token=attestation_token,
                storage=storage,
                backend=backend,
            )
        )
        self.program = Program("kbs", "--config-file", config, ready=Tcp(self.port), env=env)

    def __enter__(self) -> Self:
        self.program.__enter__()
        return self

    def __exit__(self, *arguments: object) -> None:
        self.program.__exit__(*arguments)  # type: ignore[arg-type]  # as `with` passes them


def policy_document(text: str = ALLOW) -> bytes:
    """The body of `POST resource-policy`."""
    return json.dumps({"policy": base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()}).encode()
