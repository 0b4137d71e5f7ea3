"""Nothing is released on sample evidence: it proves nothing, whatever a policy says.

A token is of sample evidence when any of its submodules was appraised from it, the primary or a device: the annotated
evidence then has a member `sample` or `sampledevice`, which only the verifier of that name writes. Tokens of the older
kind without submodules name their TEE in `tee`.

The gate stands before policy and plugin, for a session's token and for a bearer's, on every plugin. The switch that
opens it is `insecure_sample_evidence` at the top of the configuration, or `ATTESTACK_INSECURE_SAMPLE_EVIDENCE=1`; each
release through an open gate says so in its record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attestation_protocol.ear import ANNOTATED_EVIDENCE
from attestation_protocol.tee import Tee

if TYPE_CHECKING:
    from collections.abc import Mapping

SWITCH: Final = "insecure_sample_evidence"
"""The switch as configuration and records name it."""
ENVIRONMENT: Final = "ATTESTACK_INSECURE_SAMPLE_EVIDENCE"

_SAMPLES: Final = frozenset(str(tee) for tee in Tee if tee.is_sample)


def is_sample(claims: Mapping[str, Any]) -> bool:
    """Whether the claims of a verified token rest on sample evidence, wholly or in part."""
    submodules = claims.get("submods")
    values = submodules.values() if isinstance(submodules, dict) else ()
    return claims.get("tee") in _SAMPLES or any(map(_is_sample_submodule, values))


def _is_sample_submodule(submodule: Any) -> bool:  # noqa: ANN401  # a claim is any JSON value
    evidence = submodule.get(ANNOTATED_EVIDENCE) if isinstance(submodule, dict) else None
    return isinstance(evidence, dict) and not _SAMPLES.isdisjoint(evidence)
