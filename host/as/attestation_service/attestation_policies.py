"""Attestation policies: one for each class of evidence, under `<id>_<class>` in the namespace of the Rust service.

A request names `default`; CPU evidence is then appraised by `default_cpu`, a GPU's by `default_gpu`. The four default
policies are written at the start where there is none; a stored one is never replaced. An upload has to decode, load and
evaluate before it is stored.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from attestation_protocol.encoding import sorted_json
from trustee_core.policy.contract import PolicyError
from trustee_core.policy.store import SUFFIX, PolicyIdError, PolicyNotFoundError, PolicyStore
from trustee_core.storage.contract import StorageError

from attestation_service.appraisal import RULES, appraise
from attestation_service.errors import AppraisalError, AttestationPolicyError, NoPolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from attestation_protocol.ear import Submodule
    from trustee_core.policy.contract import PolicyEngine, ReferenceValues
    from trustee_core.storage.contract import StorageBackend

NAMESPACE: Final = "attestation_service_policy"
DEFAULT_POLICIES: Final = ("default_cpu", "default_gpu", "default_switch", "default_ppcie")


class AttestationPolicies:
    """The stored policies and the engine that evaluates them."""

    def __init__(self, policies: PolicyStore, engine: PolicyEngine) -> None:
        self._policies = policies
        self._engine = engine

    @classmethod
    async def open(cls, storage: StorageBackend, engine: PolicyEngine) -> AttestationPolicies:
        """Open the namespace, and write the default policies where there is none. Raises StorageError, PolicyError."""
        policies = PolicyStore(storage.namespace(NAMESPACE), engine)
        for name in DEFAULT_POLICIES:
            await policies.install_default(name, default_policy(name))
        return cls(policies, engine)

    async def ids(self) -> list[str]:
        """Return the full ids, sorted. Raises AttestationPolicyError."""
        try:
            return list(await self._policies.ids())
        except (PolicyError, StorageError) as error:
            raise _cannot("list the policies", error) from error

    async def set(self, policy_id: str, encoded: str) -> None:
        """Store a policy (base64url of UTF-8 Rego) under its full id. Raises AttestationPolicyError."""
        try:
            await self._policies.set(policy_id, encoded, RULES)
        except PolicyError as error:
            layers = _load_layers(error)
            raise AttestationPolicyError(error.message, code=error.code, advice=error.advice, layers=layers) from error
        except StorageError as error:
            raise _cannot("store the policy", error) from error

    async def appraise(
        self, policy_id: str, tee_class: str, annotated_evidence: Mapping[str, Any], reference_values: ReferenceValues
    ) -> tuple[Submodule, str]:
        """Evaluate the policy `<policy_id>_<tee_class>`: the submodule, and the hash of the policy's text.

        Raises NoPolicyError, AppraisalError, AttestationPolicyError.
        """
        name = f"{policy_id}_{tee_class}"
        text = await self.text(name)
        annotated_json = sorted_json(annotated_evidence)
        try:
            evaluation = await self._engine.evaluate(
                text, RULES, input_json=annotated_json, reference_values=reference_values
            )
        except PolicyError as error:
            layers = (f"Failed to evaluate policy: {error.engine_text or error.message}",)
            raise AppraisalError(
                f"the policy `{name:.80}` failed: {error.message}", code=error.code, advice=error.advice, layers=layers
            ) from error
        return appraise(evaluation, policy_id, annotated_evidence, annotated_json), evaluation.policy_hash

    async def text(self, name: str) -> str:
        """Return the text of a policy by its full id. Raises NoPolicyError, AttestationPolicyError."""
        try:
            return await self._policies.get(name)
        except (PolicyNotFoundError, PolicyIdError) as error:
            raise NoPolicyError(
                f"there is no policy `{name:.80}`",
                code=error.code,
                advice="set it under this id, or name another policy",
                layers=(f"Policy `{name}{SUFFIX}` not found",),
            ) from error
        except (PolicyError, StorageError) as error:
            raise _cannot(f"read the policy `{name:.80}`", error) from error


def default_policy(name: str) -> str:
    """Return the text of one of the default policies."""
    return resources.files(__package__).joinpath("policies", f"{name}.rego").read_text(encoding="utf-8")


def _load_layers(error: PolicyError) -> tuple[str, ...]:
    """Say why a policy does not load, as upstream does: the engine's text twice."""
    text = error.engine_text or error.message
    return (f"Failed to load policy: {text}", text)


def _cannot(what: str, error: PolicyError | StorageError) -> AttestationPolicyError:
    return AttestationPolicyError(f"cannot {what}: {error.message}", code=error.code, advice=error.advice)
