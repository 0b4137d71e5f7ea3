"""The token of older releases, `Simple`: one piece of evidence, a compact JWS (RFC 7515) signed with RS384.

    header    {"typ":"JWT","alg":"RS384","jwk":{"alg","x5u","x5c","kty","n","e"}}
    payload   {"customized_claims": {"init_data": JSON or null, "runtime_data": JSON or null},
               "evaluation-reports": [{"evaluation-result", "policy-hash", "policy-id"}],
               "exp", "iat", "iss", "jti", "nbf",
               "tcb-status": {"snp.measurement": "…", …},
               "tee": "snp"}

The TEE key is at `/customized_claims/runtime_data/tee-pubkey`. `tcb-status` holds the claims of the verifier, init-data
and report data among them, with the names of nested objects joined by dots. Members are sorted throughout.

This form has no place for a status, so whoever relies on such a token has to look at `tcb-status` himself. The policies
are today's: what they found stands in `evaluation-result`, as JSON text, whose `allow` is true where the status is
affirming or warning. `policy-hash` is the SHA-384 of the policy's text.
"""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Any, Final, Self

from attestack_common.errors import ConfigError
from attestation_protocol.ear import STATUS, TRUST_VECTOR, Tier
from attestation_protocol.encoding import b64url_encode, compact_json, sorted_json
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from attestation_service.errors import AppraisalError
from attestation_service.signing_key import certificate_chain, certificate_members, private_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from attestation_protocol.ear import AttestationResult, Submodule
    from cryptography import x509

BITS: Final = range(2048, 8192 + 1)
"""Sizes of keys that are taken."""
JTI_LENGTH: Final = 10

_BESIDE: Final = frozenset({"init_data", "init_data_claims", "report_data", "runtime_data_claims"})
_KEY_ADVICE: Final = "make one with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out token.key"


class SimpleTokenSigner:
    """Issues Simple tokens with one RSA key, and says which key it is."""

    def __init__(
        self,
        key: rsa.RSAPrivateKey,
        *,
        certificates: Sequence[x509.Certificate] = (),
        certificate_url: str | None = None,
    ) -> None:
        self._key = key
        self.jwk = _jwk(key.public_key(), certificates, certificate_url)
        """The public key as it stands in headers and in the JWK set."""
        self._header = b64url_encode(compact_json({"typ": "JWT", "alg": "RS384", "jwk": self.jwk}))

    @classmethod
    def from_pem(cls, key: bytes, *, certificates: bytes | None = None, certificate_url: str | None = None) -> Self:
        """Read an RSA key (PKCS#8 or PKCS#1) and the chain of its certificate, leaf first. Raises ConfigError."""
        loaded = private_key(key, advice=_KEY_ADVICE)
        if not isinstance(loaded, rsa.RSAPrivateKey) or loaded.key_size not in BITS:
            raise ConfigError(
                f"Simple tokens are signed with an RSA key of {BITS.start} to {BITS.stop - 1} bits",
                code="AS-SIGNING-KEY",
                advice=_KEY_ADVICE,
            )
        chain = certificate_chain(certificates, loaded.public_key()) if certificates is not None else ()
        return cls(loaded, certificates=chain, certificate_url=certificate_url)

    def issue(self, result: AttestationResult, policy_hashes: Mapping[str, str]) -> str:
        """Encode and sign. Raises AppraisalError: there is more than one submodule."""
        signed = f"{self._header}.{b64url_encode(sorted_json(claims(result, policy_hashes)))}"
        signature = self._key.sign(signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA384())
        return f"{signed}.{b64url_encode(signature)}"

    def jwks(self) -> dict[str, Any]:
        """Return the JWK set (RFC 7517 section 5)."""
        return {"keys": [self.jwk]}


def claims(result: AttestationResult, policy_hashes: Mapping[str, str]) -> dict[str, Any]:
    """Lay out the payload. Raises AppraisalError: there is more than one submodule."""
    if len(result.submodules) != 1:
        raise AppraisalError(
            f"a Simple token holds one piece of evidence, not {len(result.submodules)}",
            code="AS-SIMPLE-EVIDENCE",
            advice="attest without device evidence, or let the service issue Ear tokens",
        )
    ((name, submodule),) = result.submodules.items()
    annotated = submodule.annotated_evidence
    tee = next(member for member in annotated if member not in _BESIDE)
    bound = {each: annotated[each] for each in ("init_data", "report_data") if each in annotated}
    return {
        "customized_claims": {
            "init_data": annotated.get("init_data_claims"),
            "runtime_data": annotated.get("runtime_data_claims"),
        },
        "evaluation-reports": [
            {
                "evaluation-result": _evaluation(submodule),
                "policy-hash": policy_hashes[name],
                "policy-id": submodule.policy_id,
            }
        ],
        "exp": result.expires,
        "iat": result.issued_at,
        "iss": result.issuer,
        "jti": "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(JTI_LENGTH)),
        "nbf": result.issued_at,
        "tcb-status": dict(_flattened(tee, {**annotated[tee], **bound})),
        "tee": tee,
    }


def _evaluation(submodule: Submodule) -> str:
    status = submodule.trust_vector.status
    allow = status in {Tier.AFFIRMING, Tier.WARNING}
    return sorted_json({"allow": allow, STATUS: str(status), TRUST_VECTOR: submodule.trust_vector.to_json()}).decode()


def _flattened(prefix: str, value: object) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield prefix, value
        return
    for name, inner in value.items():
        yield from _flattened(f"{prefix}.{name}", inner)


def _jwk(
    key: rsa.RSAPublicKey, certificates: Sequence[x509.Certificate], certificate_url: str | None
) -> dict[str, Any]:
    numbers = key.public_numbers()
    n, e = (b64url_encode(each.to_bytes((each.bit_length() + 7) // 8)) for each in (numbers.n, numbers.e))
    return {"alg": "RS384", **certificate_members(certificates, certificate_url), "kty": "RSA", "n": n, "e": e}
