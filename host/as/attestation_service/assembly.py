"""Puts an attestation service together from its configuration and its storage.

    create      in a process that has its storage open already, such as the key broker service
    standalone  from the file of `restful-as` and `grpc-as`: opens the storage that it names, too

Policies are in the namespace `attestation_service_policy` of the storage, reference values in `reference_value`, of
another backend where `rvps_config.storage_type` names one, or at the RVPS that `rvps_config.address` names, which has
to be there at the start. What was opened here is closed when the service is.
"""

from __future__ import annotations

import stat
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from attestack_common.clock import system_clock
from attestack_common.errors import ConfigError
from attestack_common.files import read_bounded
from attestack_common.logs import get_logger
from reference_value_provider.service import NAMESPACE, ReferenceValueProvider
from trustee_core.policy.regorus import RegorusEngine
from trustee_core.storage.registry import open_storage

from attestation_service.attestation_policies import AttestationPolicies
from attestation_service.config import RemoteRvps, TokenType
from attestation_service.decisions import log_decision
from attestation_service.ear_token import TokenSigner
from attestation_service.endorsements import Endorsements
from attestation_service.service import BuiltInAttestationService
from attestation_service.simple_token import SimpleTokenSigner
from attestation_service.stored_signer import stored_signer, stored_simple_signer
from attestation_service.verification import Verification
from attestation_service.verifier_settings import verifier_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from attestack_common.clock import Clock
    from trustee_core.policy.contract import PolicyEngine
    from trustee_core.storage.contract import StorageBackend

    from attestation_service.config import BuiltInRvps, ServiceConfig, StandaloneConfig, TokenBrokerConfig
    from attestation_service.decisions import DecisionRecord
    from attestation_service.service import ReferenceValueStore, TokenIssuer

_LOG: Final = get_logger("as")
_MAX_PEM: Final = 1024 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


async def create(  # noqa: PLR0913  # what the process has already is handed in
    config: ServiceConfig,
    storage: StorageBackend,
    *,
    source: str,
    backends: Mapping[str, Mapping[str, Any]] | None = None,
    strict: bool = False,
    allow_sample_reference_values: bool = False,
    engine: PolicyEngine | None = None,
    clock: Clock = system_clock,
    record: Callable[[DecisionRecord], None] = log_decision,
) -> BuiltInAttestationService:
    """Put a service together on open storage, which stays the caller's to close; so does an engine that is given.

    `source` names the file for messages. `backends` has the tables of `storage_backend.backends`, for a store that
    `rvps_config` names. The `sample` extractor believes anyone: allow it only if who registers is an authenticated
    administrator or on this machine, or a switch named `insecure_…` says so.

    Raises:
        ConfigError: a key that cannot be taken, or an RVPS that does not answer.
        StorageError: the storage cannot be used.
    """
    settings = verifier_settings(config.verifier_config, source=source, strict=strict)
    signer = await _signer(config.attestation_token_broker, storage)
    async with AsyncExitStack() as opened:
        if engine is None:
            engine = _own_engine(opened)
        policies = await AttestationPolicies.open(storage, engine)
        values: ReferenceValueStore
        if isinstance(config.rvps_config, RemoteRvps):
            values = await _remote_values(
                config.rvps_config, opened, source=source, allow_sample=allow_sample_reference_values
            )
        else:
            own = _values_storage(config.rvps_config, storage, backends or {}, opened)
            values = ReferenceValueProvider(
                own.namespace(NAMESPACE), allow_sample=allow_sample_reference_values, clock=clock
            )
        endorsements = Endorsements(settings.sources)
        opened.push_async_callback(endorsements.close)
        return BuiltInAttestationService(
            broker=config.attestation_token_broker,
            signer=signer,
            verification=Verification(endorsements, settings.floors),
            policies=policies,
            reference_values=values,
            clock=clock,
            record=record,
            closing=opened.pop_all(),
        )


def _own_engine(opened: AsyncExitStack) -> PolicyEngine:
    engine = RegorusEngine()
    opened.push_async_callback(engine.close)
    return engine


@asynccontextmanager
async def standalone(
    config: StandaloneConfig, *, source: str, strict: bool = False, allow_sample_reference_values: bool = False
) -> AsyncIterator[BuiltInAttestationService]:
    """Put a service together on the storage that its configuration names, and close both. Arguments as `create`."""
    named = config.storage_backend
    async with AsyncExitStack() as opened:
        storage = open_storage(named.storage_type, named.backends)
        opened.push_async_callback(storage.close)
        service = await create(
            config,
            storage,
            source=source,
            backends=named.backends,
            strict=strict,
            allow_sample_reference_values=allow_sample_reference_values,
        )
        opened.push_async_callback(service.close)
        yield service


def _values_storage(
    config: BuiltInRvps,
    storage: StorageBackend,
    backends: Mapping[str, Mapping[str, Any]],
    opened: AsyncExitStack,
) -> StorageBackend:
    """Return the storage of the reference values: the main one, or one of their own. Raises ConfigError."""
    if config.storage_type is None:
        return storage
    own = open_storage(config.storage_type, backends)
    opened.push_async_callback(own.close)
    return own


async def _remote_values(
    config: RemoteRvps, opened: AsyncExitStack, *, source: str, allow_sample: bool
) -> ReferenceValueStore:
    """Connect to the RVPS that is configured. Raises ConfigError: it does not answer, or is none."""
    from reference_value_provider.client import RemoteReferenceValues  # noqa: PLC0415  # loads protobuf
    from reference_value_provider.errors import RemoteError  # noqa: PLC0415

    try:
        values = await RemoteReferenceValues.connect(config.address, allow_sample=allow_sample)
    except (ConfigError, RemoteError) as error:
        text = f"{source}: rvps_config.address: {error.message}"
        raise ConfigError(text, code=error.code, advice=error.advice) from None
    opened.push_async_callback(values.close)
    return values


async def _signer(broker: TokenBrokerConfig, storage: StorageBackend) -> TokenIssuer:
    config, simple = broker.signer, broker.type is TokenType.SIMPLE
    if simple:
        _LOG.warning("Simple tokens say nothing of the appraisal's status: who relies on them checks `tcb-status`")
    if config is None:
        _LOG.info("tokens are signed with a key that is kept in the storage: no signer is configured")
        return await (stored_simple_signer(storage) if simple else stored_signer(storage))
    certificates = None if config.cert_path is None else _pem("cert_path", config.cert_path)
    key = _pem("key_path", config.key_path)
    if config.key_path.stat().st_mode & _OTHERS:
        _LOG.warning("others may read the key that signs tokens: chmod 600", key_path=config.key_path)
    kind = SimpleTokenSigner if simple else TokenSigner
    return kind.from_pem(key, certificates=certificates, certificate_url=config.cert_url)


def _pem(key: str, path: Path) -> bytes:
    try:
        return read_bounded(path, _MAX_PEM)
    except ConfigError as error:
        raise ConfigError(
            f"attestation_token_broker.signer.{key}: {error.message}",
            code=error.code,
            advice="check the path and who may read the file",
        ) from None
