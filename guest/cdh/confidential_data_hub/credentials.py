"""Files that the configuration wants from the broker at start: `[[credentials]]`.

Each path lies below `/run/confidential-containers/cdh/kbs/`, without dot segments. All paths are checked before
anything is fetched; the files are fetched together, written whole and private to their owner. One that fails ends the
start.
"""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from attestack_common import files, process
from attestack_common.errors import AttestackError
from attestation_protocol.errors import ResourceUriError
from attestation_protocol.resource_uri import ResourceUri

from confidential_data_hub.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confidential_data_hub.config import CredentialConfig
    from confidential_data_hub.kbc import KeyBrokerClient

FOLDER: Final = Path("/run/confidential-containers/cdh/kbs")
FETCH_SECONDS: Final = 300.0


async def provision(wanted: Sequence[CredentialConfig], broker: KeyBrokerClient, *, folder: Path = FOLDER) -> None:
    """Fetch and write every file. Raises CredentialError."""
    planned = [(_uri(entry), _path(entry, folder)) for entry in wanted]
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            await asyncio.gather(*(_fetch(uri, path, broker) for uri, path in planned))
    except TimeoutError:
        raise CredentialError(f"the credentials did not come within {FETCH_SECONDS:g} s") from None


def _uri(entry: CredentialConfig) -> ResourceUri:
    try:
        return ResourceUri.parse(entry.resource_uri)
    except ResourceUriError as error:
        raise CredentialError(f"credentials: {error.message}", advice=error.advice) from None


def _path(entry: CredentialConfig, folder: Path) -> Path:
    path = PurePosixPath(entry.path)
    dots = {".", ".."}.intersection(entry.path.split("/"))
    if dots or "\0" in entry.path or not path.is_relative_to(folder) or path == PurePosixPath(folder):
        raise CredentialError(
            f"credentials: {entry.path!r:.120} is not a file below {folder}",
            code="HUB-CREDENTIAL-PATH",
            advice=f"choose a path below {folder}/, without dot segments",
        )
    return Path(path)


async def _fetch(uri: ResourceUri, path: Path, broker: KeyBrokerClient) -> None:
    try:
        secret = await broker.get_resource(uri)
        process.ensure_runtime_dir(path.parent)
        files.write_private(path, secret.reveal())
    except AttestackError as error:
        raise CredentialError(f"credentials: {uri}: {error.message}", code=error.code, advice=error.advice) from None
    except OSError as error:
        raise CredentialError(f"credentials: {path} cannot be written: {error.strerror}") from None
