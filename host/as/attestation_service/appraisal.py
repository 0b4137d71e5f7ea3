"""Appraisal: from verified claims to a submodule of the token. Pure; the policy engine runs in between.

The input of a policy, and so the annotated evidence of the token, is

    { "<tee>": claims without init_data and report_data,
      "init_data": text,   "init_data_claims": JSON or null,        only if the verifier made a claim init_data
      "report_data": text, "runtime_data_claims": JSON or null }    only if the verifier made a claim report_data

A policy answers by two rules of `package policy`:

    trust_claims   object of AR4SI claims, integers in -128..127. The rule is absent: every claim is 0, and so the
                   status `none`. Undefined, empty, or anything else: refused.
    extensions     array of {"name", "key", "value"}, each a member of the submodule; names and keys are unique.
                   The rule is absent: there are none. Null values are dropped.

A claim that a policy may not set is an error here, with a code; no value wraps around.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.ear import RESERVED_MEMBERS, TRUST_CLAIMS, Submodule, TrustVector
from attestation_protocol.errors import MessageError
from trustee_core.policy.contract import UNDEFINED

from attestation_service.errors import AppraisalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attestation_protocol.tee import Tee
    from trustee_core.policy.contract import Evaluation

    from attestation_service.binding import Binding

TRUST_CLAIMS_RULE: Final = "data.policy.trust_claims"
EXTENSIONS_RULE: Final = "data.policy.extensions"
RULES: Final = (TRUST_CLAIMS_RULE, EXTENSIONS_RULE)

_KEYS: Final = range(-(2**31), 2**31)
_INTEGERS: Final = range(-(2**63), 2**63)
_ADDITIONAL_EVIDENCE: Final = "additional-evidence"


def policy_input(tee: Tee, claims: Mapping[str, Any], binding: Binding, *, verbose: bool = True) -> dict[str, Any]:
    """Lay out the input of the policy. `verbose` off leaves `additional-evidence` out of `runtime_data_claims`.

    Raises AppraisalError (AS-CLAIMS): `init_data` or `report_data` is not a string.
    """
    runtime_data_claims = binding.runtime_data_claims
    if not verbose and isinstance(runtime_data_claims, dict):
        runtime_data_claims = {k: v for k, v in runtime_data_claims.items() if k != _ADDITIONAL_EVIDENCE}
    beside = {"init_data": binding.init_data_claims, "report_data": runtime_data_claims}
    laid_out: dict[str, Any] = {}
    rest = dict(claims)
    for name, claims_name in (("init_data", "init_data_claims"), ("report_data", "runtime_data_claims")):
        if name not in rest:
            continue
        laid_out[name], laid_out[claims_name] = rest.pop(name), beside[name]
        if not isinstance(laid_out[name], str):
            raise AppraisalError(f"the claim `{name}` of the {tee} verifier is not a string", code="AS-CLAIMS")
    laid_out[str(tee)] = rest
    return laid_out


def appraise(
    evaluation: Evaluation, policy_id: str, annotated_evidence: Mapping[str, Any], annotated_json: bytes = b""
) -> Submodule:
    """Make the submodule from what the policy said. `policy_id` is without the class. Raises AppraisalError."""
    absent, values = evaluation.absent, evaluation.values
    vector = _NO_CLAIMS if TRUST_CLAIMS_RULE in absent else trust_vector(values[TRUST_CLAIMS_RULE])
    members = {} if EXTENSIONS_RULE in absent else extensions(values[EXTENSIONS_RULE])
    return Submodule(vector, policy_id, annotated_evidence, members, annotated_json)


def trust_vector(value: object) -> TrustVector:
    """Read the value of `trust_claims`. Raises AppraisalError (AS-TRUST-CLAIMS)."""
    if not isinstance(value, dict):
        what = "undefined" if value is UNDEFINED else "not an object"
        raise _trust_claims(f"`trust_claims` of the policy is {what}", "Trust claims is not an object")
    if not value:
        raise _trust_claims("`trust_claims` of the policy is empty", "At least one policy claim must be set.")
    try:
        return TrustVector(value)
    except MessageError as error:
        known = all(name in TRUST_CLAIMS for name in value)
        text = "Trust claim value not number" if known else error.message
        raise _trust_claims(error.message, text, advice=error.advice) from None


def extensions(value: object) -> dict[str, Any]:
    """Read the value of `extensions`: name to value. Raises AppraisalError (AS-EXTENSIONS)."""
    if not isinstance(value, list):
        raise AppraisalError("`extensions` of the policy is not an array", code="AS-EXTENSIONS")
    members: dict[str, Any] = {}
    keys: set[int] = set()
    for entry in value:
        name, key = _extension(entry)
        if name in members or key in keys:
            raise AppraisalError(f"the extension {name!r:.60} or its key {key} is there twice", code="AS-EXTENSIONS")
        keys.add(key)
        members[name] = entry["value"]
    if not _fits(list(members.values())):
        raise AppraisalError("an extension of the policy holds an integer beyond 64 bits", code="AS-EXTENSIONS")
    return members


def _extension(entry: object) -> tuple[str, int]:
    name, key = (entry.get("name"), entry.get("key")) if isinstance(entry, dict) else (None, None)
    whole = isinstance(name, str) and isinstance(key, int) and not isinstance(key, bool) and key in _KEYS
    if not isinstance(entry, dict) or not whole or "value" not in entry:
        raise AppraisalError(
            "an extension of the policy is not an object with `name`, `key` (a 32-bit integer) and `value`",
            code="AS-EXTENSIONS",
        )
    if name in RESERVED_MEMBERS:
        raise AppraisalError(f"a policy may not set `{name}` by an extension", code="AS-EXTENSIONS")
    return entry["name"], entry["key"]


def _fits(value: object) -> bool:
    """Whether every integer in a JSON value fits 64 bits with sign, which is what peers read."""
    if isinstance(value, dict):
        return all(map(_fits, value.values()))
    if isinstance(value, list):
        return all(map(_fits, value))
    return not isinstance(value, int) or value in _INTEGERS


def _trust_claims(message: str, text: str, *, advice: str = "") -> AppraisalError:
    advice = advice or f"a policy sets integers for some of {', '.join(TRUST_CLAIMS)}"
    return AppraisalError(message, code="AS-TRUST-CLAIMS", advice=advice, layers=(text,))


_NO_CLAIMS: Final = TrustVector(dict.fromkeys(TRUST_CLAIMS, 0))
