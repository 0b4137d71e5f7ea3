"""Configuration: upstream's keys and defaults.

`ServiceConfig` is what an attestation service has wherever it runs: `key_broker_service` reads it from its own
`[attestation_service]`. `StandaloneConfig` is the file of `restful-as`, which names its storage too. `verifier_config`
stays a table here, since which keys it has depends on the verifiers that are installed: `verifier_settings` reads it.

Keys of older releases that would change what a token says are refused, and named with what to write today. `work_dir`
and `policy_engine`, which stand in published files and do nothing any more, are warned of.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # msgspec reads the annotations
from typing import Annotated, Any, ClassVar, Final

import msgspec
from attestack_common.errors import ConfigError
from attestack_common.logs import get_logger

_LOG: Final = get_logger("as.config")
_NO_EFFECT: Final = ("work_dir", "policy_engine")
_LONGEST: Final = 60 * 24 * 366
"""Minutes of a token's life at the most: a year."""


class SignerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The key that signs tokens."""

    key_path: Path
    """PEM file of a P-256 key, PKCS#8 or SEC1. Replicas share one."""
    cert_url: str | None = None
    """Where relying parties find its certificate chain: `x5u`."""
    cert_path: Path | None = None
    """PEM file of its certificate chain, the certificate of the key first: `x5c`."""


class TokenBrokerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What tokens say of their issuer."""

    __refused__: ClassVar = {
        "policy_dir": "policies are kept in the storage that `storage_backend` names; set them with POST /policy"
    }

    duration_min: Annotated[int, msgspec.Meta(ge=1, le=_LONGEST)] = 5
    """Minutes until a token expires."""
    issuer_name: str = "CoCo-Attestation-Service"
    """`iss` of tokens."""
    developer_name: str = "https://confidentialcontainers.org"
    """`developer` in `ear.verifier-id`."""
    build_name: str = "attestation-service 0.1.0"
    """`build` in `ear.verifier-id`."""
    profile_name: str = "tag:github.com,2024:confidential-containers/Trustee"
    """`eat_profile` of tokens."""
    signer: SignerConfig | None = None
    """Without one, the key is made once and kept in the store."""
    verbose_token: bool = True
    """False leaves `additional-evidence` out of tokens, and of what policies see."""

    @staticmethod
    def __before_decode__(table: dict[str, Any]) -> dict[str, Any]:
        """Take out `type`, of which only `Ear` is left. Raises ConfigError."""
        if str(table.pop("type", "Ear")).lower() != "ear":
            raise ConfigError(
                "attestation_token_broker.type: only Ear tokens are issued",
                code="CONFIG-REFUSED-KEY",
                advice="remove the key: every token is an EAR; relying parties find the TEE key in /submods/cpu0",
            )
        return table


class BuiltInRvps(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="BuiltIn"):
    """Reference values in this process."""

    __tags__: ClassVar = ("built_in", "builtin")
    __refused__: ClassVar = {
        "store_type": "write storage_type, and its table under storage_backend.backends",
        "store_config": "write a table under storage_backend.backends",
        "storage": "write storage_type, and its table under storage_backend.backends",
    }

    storage_type: str | None = None
    """Another backend than the one of `storage_backend.storage_type`, by its name."""
    extractors: dict[str, Any] | None = None
    """Settings of extractors. Those of this version have none."""


class RemoteRvps(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="GrpcRemote"):
    """Reference values behind gRPC."""

    __tags__: ClassVar = ("grpc_remote",)

    address: str = "127.0.0.1:50003"
    """Where it listens. Not offered by this version."""


class StorageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where policies and reference values are kept."""

    storage_type: str = "Memory"
    """The kind of store: Memory, LocalFs or Sqlite."""
    backends: dict[str, dict[str, Any]] = {}
    """The settings of each kind."""


class ServiceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An attestation service, wherever it runs."""

    rvps_config: BuiltInRvps | RemoteRvps = BuiltInRvps()
    attestation_token_broker: TokenBrokerConfig = TokenBrokerConfig()
    verifier_config: dict[str, Any] = {}
    """Floors of verifiers, and where they look for endorsements."""

    @staticmethod
    def __before_decode__(table: dict[str, Any]) -> dict[str, Any]:
        """Say which keys do nothing any more."""
        for name in _NO_EFFECT:
            if name in table:
                _LOG.warning("a key has no effect: data is kept where `storage_backend` says", key=name)
        return table


class StandaloneConfig(ServiceConfig, frozen=True, kw_only=True):
    """The configuration file of `restful-as`."""

    storage_backend: StorageConfig = StorageConfig()
