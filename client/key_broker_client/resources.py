"""One request for a resource, and what its answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attestack_common.secret import Secret
from attestation_protocol import jwe
from attestation_protocol.errors import ErrorInformation, JweError, MessageError

from key_broker_client.errors import BrokerAnswerError, resource_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attestation_protocol.resource_uri import ResourceUri
    from attestation_protocol.tee_key import TeeKeyPair

    from key_broker_client.transport import Transport

_OK: Final = 200
_REFUSED: Final = range(400, 500)


async def fetch_resource(transport: Transport, uri: ResourceUri, key: TeeKeyPair, headers: Mapping[str, str]) -> Secret:
    """Ask once, and open the answer with `key`.

    Raises BrokerError; it is UnauthorizedError where attesting again can help.
    """
    answer = await transport.send("GET", f"/kbs/v0/{uri.request_target}", headers=headers)
    if answer.status == _OK:
        try:
            return Secret(jwe.decrypt(answer.body, key))
        except JweError as error:
            raise BrokerAnswerError(
                f"the broker's answer for {uri} does not open: {error.message}",
                status=answer.status,
                code=error.code,
                advice=error.advice,
            ) from None
    if answer.status in _REFUSED:
        try:
            raise resource_refusal(ErrorInformation.parse(answer.body), answer.status, str(uri))
        except MessageError:
            pass
    raise BrokerAnswerError(f"the broker answered {answer.status} for {uri}", status=answer.status)
