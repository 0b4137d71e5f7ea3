"""Puts a broker together from its configuration.

    storage       one backend for each kind that the configuration names; what names the same kind shares it
    trust         the tokens of an attestation service in this process, and whatever `[attestation_token]` names
    handler       the routes of `api`

What was opened is closed in the reverse order, whatever stopped the broker. Every refusal names file and key.
"""

from __future__ import annotations

import os
import re
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from attestack_common.clock import system_clock
from attestack_common.errors import ConfigError
from attestack_common.logs import get_logger
from attestack_common.version import commit, version
from attestation_service import assembly as attestation_assembly
from attestation_service.config import BuiltInRvps
from msgspec.structs import replace
from trustee_core.policy.regorus import RegorusEngine
from trustee_core.policy.store import PolicyStore
from trustee_core.storage.registry import open_storage
from trustee_core.token_trust import Administrators, HttpGet, TokenVerifier, https_get
from trustee_core.token_trust.keys import TrustedKey, key_from_jwk
from trustee_core.token_trust.verifier import OWN_KEY

from key_broker_service import resource_policy, sessions, switches
from key_broker_service.admin import Admin
from key_broker_service.api import Api
from key_broker_service.bounded_backend import BoundedBackend
from key_broker_service.config import BuiltInService, GrpcService, KbsConfig, checked
from key_broker_service.metrics import Metrics
from key_broker_service.operator_routes import OperatorRoutes
from key_broker_service.plugin_routes import Gates, PluginRoutes
from key_broker_service.plugins.contract import PluginServices
from key_broker_service.plugins.registry import installed_plugins, open_plugins
from key_broker_service.rcar_routes import RcarRoutes
from key_broker_service.resource_policy import ResourcePolicy
from key_broker_service.sessions import Sessions
from key_broker_service.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from attestack_common.clock import Clock
    from attestation_service.contract import AttestationBackend
    from msgspec import Struct
    from trustee_core.policy.contract import PolicyEngine
    from trustee_core.storage.contract import StorageBackend

_LOG: Final = get_logger("kbs")


@asynccontextmanager
async def broker(
    config: KbsConfig,
    *,
    source: str,
    strict: bool = False,
    clock: Clock = system_clock,
    http_get: HttpGet = https_get,
    metrics: Metrics | None = None,
) -> AsyncIterator[Api]:
    """Put a broker together; yield its HTTP handler; close what was opened.

    `source` names the configuration's file, for messages; `metrics` are what it counts in, by default its own.
    Raises ConfigError, and StorageError where what is stored cannot be used.
    """
    async with AsyncExitStack() as opened:
        counted = metrics or Metrics(version(), commit=commit())
        parts = _Parts(checked(config, source=source), source, strict, clock, http_get, opened, counted)
        yield await parts.api()


def _with_own_reference_values(service: BuiltInService, main_storage: str) -> BuiltInService:
    """Keep reference values in the main storage where only the policies were given another one."""
    rvps = service.rvps_config
    if service.storage_type is None or not isinstance(rvps, BuiltInRvps) or rvps.storage_type is not None:
        return service
    return replace(service, rvps_config=replace(rvps, storage_type=main_storage))


@dataclass(slots=True)
class _Parts:
    """The parts of one broker while they are put together."""

    config: KbsConfig
    source: str
    strict: bool
    clock: Clock
    http_get: HttpGet
    opened: AsyncExitStack
    metrics: Metrics
    engine: PolicyEngine = field(default_factory=RegorusEngine)
    backends: dict[str, StorageBackend] = field(default_factory=dict)

    async def api(self) -> Api:
        self.opened.push_async_callback(self.engine.close)
        for switch, meaning in switches.in_force(self.config, os.environ).items():
            _LOG.warning(f"INSECURE: {meaning} ({switch})")
        self.storage()
        admin = await self._admin()
        service, own_keys = await self._attestation_service()
        backend = BoundedBackend(service)
        policy = await self._resource_policy()
        gates = Gates(
            admin,
            await self._sessions(),
            await self._tokens(own_keys),
            policy,
            insecure_sample_evidence=switches.sample_evidence_allowed(self.config, os.environ),
            insecure_rsa1_5=self.config.insecure_rsa1_5,
        )
        plugins = await open_plugins(
            self.config.plugins,
            PluginServices(self.storage(), self.metrics),
            installed_plugins(),
            source=self.source,
            strict=self.strict,
        )
        return Api(
            RcarRoutes(backend, gates.sessions, self.metrics),
            OperatorRoutes(admin, backend, policy),
            PluginRoutes(plugins, gates, self.metrics, self.clock),
            self.metrics,
            resource_names_for_all=self.config.insecure_metrics_resource_names,
        )

    def storage(self, storage_type: str | None = None, key: str = "storage_backend") -> StorageBackend:
        """Return the backend of a kind, by default the main one; `key` is where the configuration names it."""
        named = self.config.storage_backend
        name = storage_type or named.storage_type
        kind = name.replace("_", "").lower()  # both spellings
        if kind not in self.backends:
            with self._named(key):
                backend = self.backends[kind] = open_storage(name, named.backends)
            self.opened.push_async_callback(backend.close)
        return self.backends[kind]

    async def _admin(self) -> Admin:
        with self._named("admin"):
            administrators = await Administrators.load(self.config.admin, http_get=self.http_get)
        return Admin(administrators, self.clock)

    async def _attestation_service(self) -> tuple[AttestationBackend, list[TrustedKey]]:
        """Return the service, and the keys that its tokens are trusted by without being configured."""
        config = self.config.attestation_service
        allow_sample = switches.sample_reference_values_allowed(self.config)
        if isinstance(config, GrpcService):
            from key_broker_service.remote_service import RemoteAttestationService  # noqa: PLC0415  # loads protobuf

            with self._named("attestation_service.as_addr"):
                remote = RemoteAttestationService(
                    config.as_addr, pool_size=config.pool_size, allow_sample_reference_values=allow_sample
                )
            self.opened.push_async_callback(remote.close)
            return remote, []
        assert isinstance(config, BuiltInService)  # noqa: S101  # `checked` has seen to it
        with self._named("attestation_service", BuiltInService):
            service = await attestation_assembly.create(
                _with_own_reference_values(config, self.config.storage_backend.storage_type),
                self.storage(config.storage_type, "attestation_service.storage_type"),
                source=self.source,
                backends=self.config.storage_backend.backends,
                strict=self.strict,
                engine=self.engine,
                clock=self.clock,
                allow_sample_reference_values=allow_sample,
            )
        self.opened.push_async_callback(service.close)
        return service, [key_from_jwk(service.signing_jwk, OWN_KEY)]

    async def _tokens(self, own_keys: list[TrustedKey]) -> Tokens:
        config = self.config.attestation_token
        with self._named("attestation_token"):
            verifier = await TokenVerifier.load(config, http_get=self.http_get, additional_keys=own_keys)
        return Tokens(verifier, self.clock, config.extra_teekey_paths)

    async def _resource_policy(self) -> ResourcePolicy:
        store = self.storage().namespace(resource_policy.NAMESPACE)
        policy = ResourcePolicy(PolicyStore(store, self.engine), self.engine, self.metrics)
        await policy.install_default()
        return policy

    async def _sessions(self) -> Sessions:
        backend = self.storage(self.config.session_storage_type, "session_storage_type")
        lifetime = 60 * self.config.attestation_service.timeout
        return await Sessions.open(backend.namespace(sessions.NAMESPACE), self.clock, lifetime)

    @contextmanager
    def _named(self, key: str, table: type[Struct] | None = None) -> Iterator[None]:
        """Put the file and the key, where they are not named yet, in front of what is wrong with a configuration."""
        try:
            yield
        except ConfigError as error:
            text = error.message.removeprefix(f"{self.source}: ")
            if re.split("[^a-z_]", text)[0] in (table.__struct_fields__ if table else ()):
                text = f"{key}.{text}"
            elif not text.lstrip("[").startswith(key):
                text = f"{key}: {text}"
            raise ConfigError(f"{self.source}: {text}", code=error.code, advice=error.advice) from None
