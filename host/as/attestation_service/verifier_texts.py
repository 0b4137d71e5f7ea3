"""What the Rust verifiers say where ours refuse evidence, by the code of the check or of the parser.

Clients match these texts. A refusal that upstream does not have (a check that it does not make) is said in our words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attestation_protocol.tee import Tee

_CAUSE: Final = "\n\nCaused by:\n    "
_CHAIN: Final = (
    f"Certificate chain provided by user failed to verify{_CAUSE}Signer certificate does not sign signee certificate"
)

_TEXTS: Final[Mapping[str, str]] = {
    "SAMPLE-REPORT-DATA": (
        f"Evidence's identity verification error.{_CAUSE}REPORT_DATA is different from that in Sample Quote"
    ),
    "SNP-ARK": _CHAIN,
    "SNP-ARK-SIGNATURE": _CHAIN,
    "SNP-ASK": _CHAIN,
    "SNP-ASK-SIGNATURE": _CHAIN,
    "SNP-VEK-SIGNATURE": _CHAIN,
    "SNP-SIGNER": "If a cert chain is provided, it must include a VCEK/VLEK",
    "SNP-SIGNATURE": (
        f"Report signature verification against VEK signature failed{_CAUSE}VEK does not sign the attestation report"
    ),
    "SNP-VMPL": "VMPL Check Failed",
    "SNP-REPORT-DATA": "Report Data Mismatch",
    "SNP-HOST-DATA": "Host Data Mismatch",
}


def refusal_text(code: str, otherwise: str) -> str:
    """Return upstream's text for a refusal, or ours."""
    return f"Verifier evaluate failed: {_TEXTS.get(code, otherwise)}"


def format_text(tee: Tee, reason: str) -> str:
    """Say that evidence of a TEE cannot be read."""
    return f"Verifier evaluate failed: Deserialize {tee.upper()} Evidence failed{_CAUSE}{reason}"
