"""The key that signs tokens where no `signer` is configured: made once, kept in the store.

All processes that share the store sign with it, and it outlives restarts. The first process puts it there, if nothing
is there; all read what lies there then. Deleting it makes the next start make another one: tokens that are out are
then refused where the old key was what they were trusted by.

    namespace   attestation_token_signer
    key         signing-key.pem               PKCS#8, P-256; whoever reads it can make tokens
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.errors import ConfigError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from trustee_core.storage.contract import StorageCorruptError

from attestation_service.ear_token import TokenSigner

if TYPE_CHECKING:
    from trustee_core.storage.contract import StorageBackend

NAMESPACE: Final = "attestation_token_signer"
SIGNING_KEY: Final = "signing-key.pem"


async def stored_signer(storage: StorageBackend) -> TokenSigner:
    """Return the signer of a store, with a new key where there is none. Raises StorageError."""
    store = storage.namespace(NAMESPACE)
    pem = await store.get(SIGNING_KEY)
    if pem is None:
        await store.put_if_absent(SIGNING_KEY, _new_key())
        pem = await store.get(SIGNING_KEY)
    try:
        return TokenSigner.from_pem(pem or b"")
    except ConfigError:
        raise StorageCorruptError(
            f"the key {SIGNING_KEY} of the namespace {NAMESPACE} is not a P-256 private key in PEM",
            advice="delete it: the next start makes a new one; or configure attestation_token_broker.signer",
        ) from None


def _new_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())
