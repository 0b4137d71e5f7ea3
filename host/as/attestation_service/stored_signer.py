"""The key that signs tokens where no `signer` is configured: made once, kept in the store.

All processes that share the store sign with it, and it outlives restarts. The first process puts it there, if nothing
is there; all read what lies there then. Deleting it makes the next start make another one: tokens that are out are
then refused where the old key was what they were trusted by.

    namespace   attestation_token_signer
    keys        signing-key.pem               PKCS#8, P-256; whoever reads it can make tokens
                simple-signing-key.pem        PKCS#8, RSA, where Simple tokens are issued
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.errors import ConfigError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from trustee_core.storage.contract import StorageCorruptError

from attestation_service.ear_token import TokenSigner
from attestation_service.simple_token import SimpleTokenSigner

if TYPE_CHECKING:
    from collections.abc import Callable

    from trustee_core.storage.contract import StorageBackend

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

NAMESPACE: Final = "attestation_token_signer"
SIGNING_KEY: Final = "signing-key.pem"
SIMPLE_SIGNING_KEY: Final = "simple-signing-key.pem"
RSA_BITS: Final = 3072


async def stored_signer(storage: StorageBackend) -> TokenSigner:
    """Return the signer of a store, with a new key where there is none. Raises StorageError."""
    pem = await _stored(storage, SIGNING_KEY, lambda: ec.generate_private_key(ec.SECP256R1()))
    try:
        return TokenSigner.from_pem(pem)
    except ConfigError:
        raise _corrupt(SIGNING_KEY, "a P-256 private key") from None


async def stored_simple_signer(storage: StorageBackend) -> SimpleTokenSigner:
    """Return the signer of Simple tokens of a store, with a new key where there is none. Raises StorageError."""
    pem = await _stored(storage, SIMPLE_SIGNING_KEY, lambda: rsa.generate_private_key(65537, RSA_BITS))
    try:
        return SimpleTokenSigner.from_pem(pem)
    except ConfigError:
        raise _corrupt(SIMPLE_SIGNING_KEY, "an RSA private key") from None


async def _stored(storage: StorageBackend, name: str, make: Callable[[], PrivateKey]) -> bytes:
    store = storage.namespace(NAMESPACE)
    pem = await store.get(name)
    if pem is None:
        await store.put_if_absent(name, _encoded(make()))
        pem = await store.get(name)
    return pem or b""


def _encoded(key: PrivateKey) -> bytes:
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())


def _corrupt(name: str, wanted: str) -> StorageCorruptError:
    return StorageCorruptError(
        f"the key {name} of the namespace {NAMESPACE} is not {wanted} in PEM",
        advice="delete it: the next start makes a new one; or configure attestation_token_broker.signer",
    )
