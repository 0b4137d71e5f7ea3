"""What the tools send to a hub, read from the files that their flags name, and what they print of the answers.

A file's bytes are sent as they are. Results are printed in base64, since they may be any bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from attestack_common.errors import UsageError
from attestack_common.files import read_bounded
from attestation_protocol.encoding import b64std_encode, parse_json
from attestation_protocol.errors import EncodingError
from attestation_protocol.stubs import confidential_data_hub_pb2 as pb
from attestation_protocol.stubs import keyprovider_pb2 as keyprovider

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from key_broker_client.guest_rpc import Peer

MAX_FILE: Final = 4 * 1024 * 1024
"""Bytes of a file: more than a message can carry."""

_KEY_PROVIDER: Final = keyprovider.DESCRIPTOR.services_by_name["KeyProviderService"].full_name


class Storage(msgspec.Struct, frozen=True):
    """The JSON file of `secure-mount`. All four members are required."""

    volume_type: str
    options: dict[str, str]
    flags: list[str]
    mount_point: str

    @classmethod
    def read(cls, path: Path) -> Storage:
        """Read a file. Raises UsageError, ConfigError."""
        try:
            return msgspec.convert(parse_json(read_bounded(path, MAX_FILE)), cls)
        except (EncodingError, msgspec.ValidationError) as error:
            text = error.message if isinstance(error, EncodingError) else str(error)
            raise UsageError(
                f"{path}: {text}",
                code="TOOL-STORAGE",
                advice="write an object with volume_type, options, flags and mount_point",
            ) from None


async def get_resource(hub: Peer, arguments: argparse.Namespace) -> str:
    """Fetch a resource."""
    request = pb.GetResourceRequest(ResourcePath=arguments.resource_uri)
    answer = await hub.unary("api.GetResourceService", "GetResource", request, pb.GetResourceResponse)
    return b64std_encode(answer.Resource)


async def unseal_secret(hub: Peer, arguments: argparse.Namespace) -> str:
    """Open a sealed secret."""
    request = pb.UnsealSecretInput(secret=read_bounded(arguments.secret_path, MAX_FILE))
    answer = await hub.unary("api.SealedSecretService", "UnsealSecret", request, pb.UnsealSecretOutput)
    return b64std_encode(answer.plaintext)


async def unwrap_key(hub: Peer, arguments: argparse.Namespace) -> str:
    """Unwrap the key of an image layer: the file holds the JSON of the key provider protocol."""
    data = read_bounded(arguments.annotation_path, MAX_FILE)
    request = keyprovider.KeyProviderKeyWrapProtocolInput(KeyProviderKeyWrapProtocolInput=data)
    answer = await hub.unary(_KEY_PROVIDER, "UnWrapKey", request, keyprovider.KeyProviderKeyWrapProtocolOutput)
    return b64std_encode(answer.KeyProviderKeyWrapProtocolOutput)


async def secure_mount(hub: Peer, arguments: argparse.Namespace) -> str:
    """Mount a volume."""
    storage = Storage.read(arguments.storage_path)
    request = pb.SecureMountRequest(
        volume_type=storage.volume_type,
        options=storage.options,
        flags=storage.flags,
        mount_point=storage.mount_point,
    )
    await hub.unary("api.SecureMountService", "SecureMount", request, pb.SecureMountResponse)
    return "mount succeeded!"


async def pull_image(hub: Peer, arguments: argparse.Namespace) -> str:
    """Pull an image into a bundle."""
    request = pb.ImagePullRequest(image_url=arguments.image_url, bundle_path=arguments.bundle_path)
    answer = await hub.unary("api.ImagePullService", "PullImage", request, pb.ImagePullResponse)
    return f"Image pulled: {answer.manifest_digest}"
