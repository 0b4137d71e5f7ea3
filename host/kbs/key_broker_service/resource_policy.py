"""The resource policy: which verified token may have what from which plugin.

    input   all claims of the token
    data    {"plugin", "resource-path": [...], "query": {...}} of the request; method and body are not seen
    rule    data.policy.allow

Only `true` allows. False, undefined and any other value deny (POLICY-DENY; the latter two also count as an error). A
policy that cannot be read, loaded or evaluated is an error, and denies as well.

There is one policy, under `resource-policy` in the namespace `kbs` (the key is `resource-policy.rego`). It is read from
the store for each request, so that all replicas follow a change at once; the engine compiles each text once. At the
start the default policy is written if there is none; a stored one is never replaced. An upload must also evaluate.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.encoding import compact_plain, parse_json
from attestation_protocol.errors import EncodingError
from trustee_core.policy.contract import UNDEFINED, PolicyError
from trustee_core.policy.store import PolicyDecodeError
from trustee_core.storage.contract import StorageError

from key_broker_service.errors import ParsePolicyError, PolicyDenyError, PolicyEngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trustee_core.policy.contract import PolicyEngine
    from trustee_core.policy.store import PolicyStore

    from key_broker_service.metrics import Metrics

NAMESPACE: Final = "kbs"
POLICY_ID: Final = "resource-policy"
RULE: Final = "data.policy.allow"


def default_policy() -> str:
    """Return the text of the policy that is installed where there is none."""
    return resources.files(__package__).joinpath("policies", "default.rego").read_text(encoding="utf-8")


class ResourcePolicy:
    """The stored policy and the engine that evaluates it."""

    def __init__(self, policies: PolicyStore, engine: PolicyEngine, metrics: Metrics) -> None:
        self._policies = policies
        self._engine = engine
        self._metrics = metrics

    async def install_default(self) -> None:
        """Write the default policy if there is none. Raises StorageError, PolicyError."""
        await self._policies.install_default(POLICY_ID, default_policy())

    async def ids(self) -> list[str]:
        """Return the ids of the stored policies. Raises PolicyEngineError."""
        try:
            return list(await self._policies.ids())
        except (PolicyError, StorageError) as error:
            raise _failed(error, "cannot list the policies") from error

    async def replace(self, body: bytes) -> None:
        """Check and store an uploaded policy. Raises ParsePolicyError, PolicyEngineError."""
        encoded = encoded_policy(body)
        try:
            await self._policies.set(POLICY_ID, encoded, [RULE])
        except PolicyDecodeError as error:
            text = f"Failed to decode policy: {error.engine_text}"
            raise ParsePolicyError(text, code=error.code, advice=error.advice) from error
        except PolicyError as error:
            raise _failed(error, f"Failed to load policy: {error.engine_text or error.message}") from error
        except StorageError as error:
            raise _failed(error, "cannot store the policy") from error

    async def require_allowed(
        self, claims_json: bytes, plugin: str, path: Sequence[str], query: Mapping[str, str]
    ) -> str:
        """Return the hash of the policy that allowed. Raises PolicyDenyError, PolicyEngineError."""
        self._metrics.policy_evaluations.inc()
        data = compact_plain({"plugin": plugin, "resource-path": list(path), "query": dict(query)})
        try:
            text = await self._policies.get(POLICY_ID)
            evaluation = await self._engine.evaluate(text, [RULE], input_json=claims_json, data_json=data)
        except (PolicyError, StorageError) as error:
            self._metrics.policy_errors.inc()
            raise _failed(error, getattr(error, "engine_text", "") or "the policy was not evaluated") from error
        allowed = evaluation.values.get(RULE, UNDEFINED)
        if allowed is True:
            self._metrics.policy_approvals.inc()
            return evaluation.policy_hash
        self._metrics.policy_violations.inc()
        if allowed is not False:
            self._metrics.policy_errors.inc()
        raise PolicyDenyError(
            advice="the resource policy does not allow this to this token; the operator can change it",
            why=f"policy {evaluation.policy_hash}: {RULE} is {_shown(allowed)}",
        )


def encoded_policy(body: bytes) -> str:
    """Return the policy, still encoded, of an upload: JSON with the text `policy`. Raises ParsePolicyError."""
    try:
        document = parse_json(body)
    except EncodingError as error:
        raise ParsePolicyError("Illegal SetPolicy Request Json", code=error.code, why=error.message) from None
    if not isinstance(document, dict) or "policy" not in document:
        raise ParsePolicyError("No `policy` field inside SetPolicy Request Json")
    encoded = document["policy"]
    if not isinstance(encoded, str):
        raise ParsePolicyError("`policy` field is not a string in SetPolicy Request Json")
    return encoded


def _shown(value: Any) -> str:  # noqa: ANN401  # whatever a rule gives
    return "undefined" if value is UNDEFINED else f"{value!r:.100}"


def _failed(error: PolicyError | StorageError, text: str) -> PolicyEngineError:
    return PolicyEngineError(text, code=error.code, advice=error.advice, why=error.message)
