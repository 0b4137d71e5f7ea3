"""Configuration: upstream's keys and defaults.

`ServiceConfig` is what an attestation service has wherever it runs: `key_broker_service` reads it from its own
`[attestation_service]`. `StandaloneConfig` is the file of `restful-as` and `grpc-as`, which names its storage too.
`verifier_config` stays a table here, since which keys it has depends on the verifiers that are installed:
`verifier_settings` reads it.

Keys of older releases:

    rvps_config.remote_addr (to v0.10)          taken: type = "GrpcRemote" with that address; empty: BuiltIn
    attestation_token_broker as a text          taken: {"type": that text}
    work_dir, policy_engine                     warned of: they stand in published files, and do nothing any more
    whatever else would change what a token     refused, and named with what to write today
    says, or where data is kept
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path  # noqa: TC003  # msgspec reads the annotations
from typing import Annotated, Any, ClassVar, Final

import msgspec
from attestack_common.logs import get_logger

_LOG: Final = get_logger("as.config")
_NO_EFFECT: Final = ("work_dir", "policy_engine")
_OLDER_RVPS: Final = frozenset({"remote_addr", "store_type"})
_LONGEST: Final = 60 * 24 * 366
"""Minutes of a token's life at the most: a year."""


class SignerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The key that signs tokens."""

    key_path: Path
    """PEM file of a P-256 key, PKCS#8 or SEC1; of an RSA key for Simple tokens. Replicas share one."""
    cert_url: str | None = None
    """Where relying parties find its certificate chain: `x5u`."""
    cert_path: Path | None = None
    """PEM file of its certificate chain, the certificate of the key first: `x5c`."""


class TokenType(Enum):
    """`attestation_token_broker.type`."""

    __aliases__ = {"ear": "Ear", "simple": "Simple"}  # noqa: RUF012  # a member of an enumeration would be a value

    EAR = "Ear"
    SIMPLE = "Simple"


class TokenBrokerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What tokens say of their issuer."""

    __refused__: ClassVar = {
        "policy_dir": "policies are kept in the storage that `storage_backend` names; set them with POST /policy"
    }

    type: TokenType = TokenType.EAR
    """The form of tokens: EAR, or the Simple tokens of older releases, which have no status."""
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
    """Where it listens: `host:port`, or with `http://` or `https://` in front."""


class StorageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where policies and reference values are kept."""

    storage_type: str = "Memory"
    """The kind of store: Memory, LocalFs or Sqlite."""
    backends: dict[str, dict[str, Any]] = {}
    """The settings of each kind."""


class ServiceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An attestation service, wherever it runs."""

    __refused__: ClassVar = {
        "attestation_token_config": "write its keys into attestation_token_broker",
        "rvps_store_type": "write rvps_config.storage_type, and its table under storage_backend.backends",
    }

    rvps_config: BuiltInRvps | RemoteRvps = BuiltInRvps()
    attestation_token_broker: TokenBrokerConfig = TokenBrokerConfig()
    verifier_config: dict[str, Any] = {}
    """Floors of verifiers, and where they look for endorsements."""

    @staticmethod
    def __before_decode__(table: dict[str, Any]) -> dict[str, Any]:
        """Take the keys of older releases that have a meaning today, and say which ones do nothing any more."""
        for name in _NO_EFFECT:
            if name in table:
                _LOG.warning("a key has no effect: data is kept where `storage_backend` says", key=name)
        rvps, broker = table.get("rvps_config"), table.get("attestation_token_broker")
        if isinstance(rvps, dict) and "type" not in rvps and not _OLDER_RVPS.isdisjoint(rvps):
            table["rvps_config"] = _older_rvps(rvps)
        if isinstance(broker, str):
            table["attestation_token_broker"] = {"type": broker}
        return table


class StandaloneConfig(ServiceConfig, frozen=True, kw_only=True):
    """The configuration file of `restful-as` and `grpc-as`."""

    storage_backend: StorageConfig = StorageConfig()
    insecure_sample_reference_values: bool = False
    """Whether the `sample` extractor may be used by anyone who reaches the port of `grpc-as`, from beyond loopback."""


def _older_rvps(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table `rvps_config` of v0.10 and before as today's: `remote_addr` decided whether the RVPS is remote."""
    rest = {name: value for name, value in table.items() if name != "remote_addr"}
    if table.get("remote_addr"):
        rest.pop("store_type", None)  # it said how the remote one keeps its data, which is not for us to say
        return {"type": "GrpcRemote", "address": table["remote_addr"], **rest}
    return {"type": "BuiltIn", **rest}
