"""Configuration files of the field: each is taken, or stops the start for a reason that the table names.

Relative paths and `/opt` of the files are not touched: a file that is taken is put together with storage in memory.
What the Rust programs do with each file is in the README of the vectors; where we stop for another reason, it is
because this version does not offer what the file asks for.
"""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from attestack_common.errors import ConfigError
from attestation_service.config import StorageConfig
from key_broker_service import assembly
from key_broker_service import config as configuration

from tests.conformance.vectors import vector

pytestmark = pytest.mark.vectors

STARTS: Final = ("kbs/kbs-config.toml", "kbs/kbs-config-grpc.toml", "kbs-tests/coco-as-builtin-2.toml")
"""The last stops the Rust program, which trusts no token then; ours trusts the attestation service in its process."""

NO_CHAIN: Final = (
    "FILE-READ",
    "attestation_service.attestation_token_broker.signer.cert_path: work/token-cert-chain.pem: cannot be read",
)
NO_TRUST: Final = ("TOKEN-TRUST", "[attestation_token] trusts no token at all")
STOPS: Final = {
    "kbs/kbs-config-intel-trust-authority.toml": ("CONFIG-UNSUPPORTED", "attestation_service.type: intel_ta"),
    "kbs-tests/coco-as-builtin-1.toml": ("CONFIG-VALUE", "http_server.certificate: is missing"),
    "kbs-tests/coco-as-builtin-3.toml": ("ADMIN-PROVIDER", "admin.authentication.bearer_jwt.identity_providers"),
    "kbs-tests/coco-as-grpc-1.toml": ("FILE-READ", "attestation_token: /etc/ca: cannot be read"),
    "kbs-tests/coco-as-grpc-2.toml": ("FILE-READ", "admin: /opt/confidential-containers/trustee/admin1-pubkey.pem"),
    "kbs-tests/coco-as-grpc-3.toml": NO_TRUST,
    "kbs-tests/external-plugin-attest.toml": ("FILE-READ", "admin: work/kbs.pem: cannot be read"),
    "kbs-tests/external-plugin-resource-tls.toml": NO_CHAIN,
    "kbs-tests/external-plugin-resource.toml": NO_CHAIN,
    "kbs-tests/external-plugin-tls.toml": ("CONFIG-UNSUPPORTED", "plugins[0].name: the plugin external"),
    "kbs-tests/external-plugin.toml": ("CONFIG-UNSUPPORTED", "plugins[0].name: the plugin external"),
    "kbs-tests/intel-ta-1.toml": ("CONFIG-UNSUPPORTED", "attestation_service.type: intel_ta"),
    "kbs-tests/intel-ta-2.toml": ("CONFIG-UNSUPPORTED", "attestation_service.type: intel_ta"),
    "kbs-tests/intel-ta-3.toml": ("CONFIG-UNSUPPORTED", "attestation_service.type: intel_ta"),
    "kbs-tests/kbs.toml": ("FILE-READ", "admin: work/kbs.pem: cannot be read"),
    "kbs-tests/resource-kbs.toml": ("FILE-READ", "admin: work/kbs.pem: cannot be read"),
    "kbs-tests/tls-profile-custom-pqc.toml": NO_TRUST,
    "kbs-tests/tls-profile-custom.toml": NO_TRUST,
    "kbs-tests/tls-profile-intermediate.toml": NO_TRUST,
    "kbs-tests/tls-profile-modern.toml": NO_TRUST,
    "kbs-tests/tls-profile-old.toml": NO_TRUST,
    "compose/kbs-config.toml": (
        "FILE-READ",
        "admin: /opt/confidential-containers/kbs/user-keys/public.pub",
    ),
    "kubernetes/ita-kbs-config.toml": ("CONFIG-UNSUPPORTED", "attestation_service.type: intel_ta"),
    "kubernetes/kbs-config.toml": ("FILE-READ", "admin: /kbs/kbs.pem: cannot be read"),
}


async def start(name: str) -> None:
    path = str(vector(f"configs/{name}"))
    config = configuration.load(path, strict=name != "kbs-tests/kbs.toml")  # it has keys that the Rust program ignores
    async with assembly.broker(msgspec.structs.replace(config, storage_backend=StorageConfig()), source=path) as api:
        assert callable(api)


@pytest.mark.parametrize("name", STARTS)
async def test_a_file_of_the_field_starts(name: str) -> None:
    await start(name)


@pytest.mark.parametrize("name", STOPS)
async def test_a_file_of_the_field_stops_with_its_reason(name: str) -> None:
    code, text = STOPS[name]
    with pytest.raises(ConfigError) as caught:
        await start(name)
    assert (caught.value.code, text in caught.value.message) == (code, True), caught.value
    assert caught.value.message.startswith(str(vector(f"configs/{name}")))
