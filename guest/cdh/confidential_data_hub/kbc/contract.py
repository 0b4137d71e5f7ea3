"""What a key broker client is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from attestack_common.secret import Secret
    from attestation_protocol.resource_uri import ResourceUri


class KeyBrokerClient(Protocol):
    """Gets resources. Safe to use by many tasks at once."""

    async def get_resource(self, uri: ResourceUri) -> Secret:
        """Fetch a resource. Raises AttestackError."""
        ...


class OwnedKeyBrokerClient(KeyBrokerClient, Protocol):
    """A key broker client as its owner sees it."""

    async def close(self) -> None:
        """End what is under way, and close the connections."""
        ...
