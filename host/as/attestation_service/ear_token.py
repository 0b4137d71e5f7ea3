"""The token: an EAR as a compact JWS (RFC 7515), signed with ES256.

    header    {"typ":"JWT","alg":"ES256","jwk":{"alg","x5u","x5c","kty","crv","x","y"}}
    payload   the claims of `attestation_protocol.ear`, in their order, UTF-8 not escaped

`x5u` is there when the signer has a certificate URL, `x5c` (standard base64 of DER, the whole file in its order) when
it has a certificate file. The same JWK is what `/.well-known/jwks.json` serves. With no signer configured the key is
that of `stored_signer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from attestack_common.errors import ConfigError
from attestation_protocol.encoding import b64url_encode, compact_json
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attestation_service.signing_key import certificate_chain, certificate_members, private_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from attestation_protocol.ear import AttestationResult
    from cryptography import x509

_COORDINATE: Final = 32
"""Bytes of a coordinate on P-256, and of each half of a signature (RFC 7518 sections 6.2.1.2 and 3.4)."""

_ES256: Final = ec.ECDSA(hashes.SHA256())


class TokenSigner:
    """Signs tokens with one P-256 key, and says which key it is."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        *,
        certificates: Sequence[x509.Certificate] = (),
        certificate_url: str | None = None,
    ) -> None:
        self._key = key
        self.jwk = _jwk(key.public_key(), certificates, certificate_url)
        """The public key as it stands in headers and in the JWK set."""
        self._header = b64url_encode(compact_json({"typ": "JWT", "alg": "ES256", "jwk": self.jwk}))

    @classmethod
    def generate(cls) -> Self:
        """Make a key that dies with this process."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, key: bytes, *, certificates: bytes | None = None, certificate_url: str | None = None) -> Self:
        """Read a P-256 key (PKCS#8 or SEC1) and the chain of its certificate, leaf first. Raises ConfigError."""
        loaded = private_key(key, advice=_KEY_ADVICE)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
            raise ConfigError(
                "Only P-256 attestation token signing keys are supported", code="AS-SIGNING-KEY", advice=_KEY_ADVICE
            )
        chain = certificate_chain(certificates, loaded.public_key()) if certificates is not None else ()
        return cls(loaded, certificates=chain, certificate_url=certificate_url)

    def issue(self, result: AttestationResult, _policy_hashes: Mapping[str, str]) -> str:
        """Encode and sign."""
        return self.sign(result)

    def sign(self, result: AttestationResult) -> str:
        """Encode and sign."""
        signed = f"{self._header}.{b64url_encode(result.to_json())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode("ascii"), _ES256))
        return f"{signed}.{b64url_encode(r.to_bytes(_COORDINATE) + s.to_bytes(_COORDINATE))}"

    def jwks(self) -> dict[str, Any]:
        """Return the JWK set (RFC 7517 section 5)."""
        return {"keys": [self.jwk]}


_KEY_ADVICE: Final = "make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out token.key"


def _jwk(
    key: ec.EllipticCurvePublicKey, certificates: Sequence[x509.Certificate], certificate_url: str | None
) -> dict[str, Any]:
    point = key.public_numbers()
    x, y = (b64url_encode(coordinate.to_bytes(_COORDINATE)) for coordinate in (point.x, point.y))
    return {
        "alg": "ES256",
        **certificate_members(certificates, certificate_url),
        "kty": "EC",
        "crv": "P-256",
        "x": x,
        "y": y,
    }
