"""The hash algorithms of the protocol, by the names that they have on the wire."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final, Self

from cryptography.hazmat.primitives import hashes

from attestation_protocol.errors import MessageError


class HashAlgorithm(StrEnum):
    """A hash algorithm. On the wire names are lower case; `parse` takes any case, as peers do."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"
    SM3 = "sm3"

    __hash__ = str.__hash__
    """As of `Tee`."""

    @classmethod
    def parse(cls, name: object) -> Self:
        """Read a name in any case. Raises MessageError."""
        try:
            return cls(str(name).lower())
        except ValueError:
            raise MessageError(
                f"unknown hash algorithm {name!r:.40}; known: {', '.join(cls)}", code="HASH-ALGORITHM"
            ) from None

    @property
    def digest_size(self) -> int:
        """Size of a digest in bytes."""
        return {"sha256": 32, "sha384": 48, "sha512": 64, "sm3": 32}[self.value]

    def digest(self, data: bytes) -> bytes:
        """Hash `data`."""
        if self is HashAlgorithm.SM3:
            digest = hashes.Hash(hashes.SM3())  # hashlib has SM3 only where OpenSSL was built with it
            digest.update(data)
            return digest.finalize()
        return _FUNCTIONS[self](data).digest()


_FUNCTIONS: Final = {
    HashAlgorithm.SHA256: hashlib.sha256,
    HashAlgorithm.SHA384: hashlib.sha384,
    HashAlgorithm.SHA512: hashlib.sha512,
}
