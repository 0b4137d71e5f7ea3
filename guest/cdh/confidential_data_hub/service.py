"""`api.GetResourceService`, as the stock hub answers it over ttRPC.

Every failure is INTERNAL with the text `[CDH] [ERROR]: Get Resource failed`; the server adds what to do and the stable
code (`wire_text_of`). What happened is in the log. A resource name that URL libraries would fold is refused here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from attestack_common.errors import AttestackError
from attestack_common.logs import get_logger
from attestation_protocol.errors import ProtocolError
from attestation_protocol.resource_uri import ResourceUri
from attestation_protocol.stubs import confidential_data_hub_pb2 as pb
from ttrpc_asyncio import Code, Service, StatusError

from confidential_data_hub.errors import HubError

if TYPE_CHECKING:
    from attestack_common.secret import Secret
    from ttrpc_asyncio import CallContext

    from confidential_data_hub.kbc import KeyBrokerClient

RESOURCE_SECONDS: Final = 120.0
"""Seconds that one resource may take, its token included."""

_log = get_logger("cdh.service")


class ResourceService:
    """The RPC. Its method has the protocol's name."""

    def __init__(self, broker: KeyBrokerClient) -> None:
        self._broker = broker

    async def get_resource(self, request: pb.GetResourceRequest, _: CallContext) -> pb.GetResourceResponse:
        """Fetch a resource by its URI."""
        try:
            uri = ResourceUri.parse(request.ResourcePath)
            secret = await self._in_time(uri)
        except (AttestackError, ProtocolError) as error:
            raise _failed(request.ResourcePath, error) from None
        _log.info("resource given", uri=uri, size=len(secret))
        return pb.GetResourceResponse(Resource=secret.reveal())

    async def _in_time(self, uri: ResourceUri) -> Secret:
        try:
            async with asyncio.timeout(RESOURCE_SECONDS):
                return await self._broker.get_resource(uri)
        except TimeoutError:
            raise HubError(
                f"{uri} did not come within {RESOURCE_SECONDS:g} s",
                code="HUB-TIMEOUT",
                advice="the agent or the broker is slow: try again",
            ) from None


def resource_service(broker: KeyBrokerClient) -> Service:
    """Bind the RPC to its service."""
    return Service.from_descriptor(pb.DESCRIPTOR.services_by_name["GetResourceService"], ResourceService(broker))


def _failed(name: str, error: AttestackError | ProtocolError) -> StatusError:
    _log.error("no resource", uri=name[:200], code=error.code, error=error, advice=error.advice)
    return StatusError(Code.INTERNAL, "[CDH] [ERROR]: Get Resource failed", code=error.code, advice=error.advice)
