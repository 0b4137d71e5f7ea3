"""`offline_fs_kbc`: resources out of files of this machine, without a broker and without attestation.

    /etc/aa-offline_fs_kbc-keys.json
    /etc/aa-offline_fs_kbc-resources.json
    each path in OFFLINE_FS_KBC_EXTRA_FILE_PATH, with commas between

Each file is one JSON object of `"<repository>/<type>/<tag>": "<base64 with padding>"`. A file that is not there is
passed over with a warning; a name that comes again replaces the earlier one, with a warning; a file that cannot be used
is an error, for every resource. Files are read for each call, so that what was changed counts at once. The plugin and
the query of a resource's URI are not looked at.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestack_common.errors import ConfigError
from attestack_common.files import read_bounded
from attestack_common.logs import get_logger
from attestack_common.secret import Secret
from attestation_protocol.encoding import b64std_decode, parse_json
from attestation_protocol.errors import EncodingError

from confidential_data_hub.errors import OfflineResourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from attestation_protocol.resource_uri import ResourceUri

FILES: Final = (Path("/etc/aa-offline_fs_kbc-keys.json"), Path("/etc/aa-offline_fs_kbc-resources.json"))
VARIABLE: Final = "OFFLINE_FS_KBC_EXTRA_FILE_PATH"
MAX_EXTRA_FILES: Final = 16
MAX_FILE: Final = 8 * 1024 * 1024
"""Bytes of one file, at the most."""

_log = get_logger("cdh.kbc")


class OfflineFsKbc:
    """Resources of files. Safe to use by many tasks at once."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)
        _log.warning(
            "resources come from files of this machine, without attestation", files=", ".join(map(str, self._files))
        )

    async def get_resource(self, uri: ResourceUri) -> Secret:
        """Look a resource up. Raises OfflineResourceError."""
        resources = await asyncio.to_thread(read_resources, self._files)
        found = resources.get("/".join(uri.segments))
        if found is None:
            raise OfflineResourceError(
                f"no file has the resource {uri}",
                code="HUB-OFFLINE-MISSING",
                advice=f"add it to {self._files[-1]}",
            )
        return found

    async def close(self) -> None:
        """Nothing is open."""


def offline_fs_kbc(environment: Mapping[str, str] | None = None) -> OfflineFsKbc:
    """Make the client of the files that the environment names beside the fixed ones. Raises ConfigError."""
    text = (os.environ if environment is None else environment).get(VARIABLE, "")
    extra = [Path(path.strip()) for path in text.split(",") if path.strip()]
    if len(extra) > MAX_EXTRA_FILES:
        raise ConfigError(
            f"{VARIABLE} names {len(extra)} files",
            code="HUB-OFFLINE-FILE",
            advice=f"name {MAX_EXTRA_FILES} at the most",
        )
    return OfflineFsKbc((*FILES, *extra))


def read_resources(files: Sequence[Path]) -> dict[str, Secret]:
    """Read the files that are there, the later ones over the earlier. Raises OfflineResourceError."""
    resources: dict[str, Secret] = {}
    for path in files:
        if not path.exists():
            _log.warning("a file of resources is not there", file=path)
            continue
        found = _file(path)
        for name in sorted(resources.keys() & found.keys()):
            _log.warning("a resource comes again and replaces the earlier one", name=name[:200], file=path)
        resources |= found
    return resources


def parse_resources(data: bytes) -> dict[str, Secret]:
    """Read the bytes of one file. Raises EncodingError, which never shows a value."""
    document = parse_json(data)
    if not isinstance(document, dict):
        raise EncodingError("the text is not a JSON object")
    resources = {}
    for name, value in document.items():
        if not isinstance(value, str):
            raise EncodingError(f"the value of {name!r:.120} is not a string")
        try:
            resources[name] = Secret(b64std_decode(value))
        except EncodingError as error:
            raise EncodingError(f"the value of {name!r:.120} is {error.message}", code=error.code) from None
    return resources


def _file(path: Path) -> dict[str, Secret]:
    try:
        return parse_resources(read_bounded(path, MAX_FILE))
    except (ConfigError, EncodingError) as error:
        where = "" if isinstance(error, ConfigError) else f"{path}: "
        raise OfflineResourceError(
            f"{where}{error.message}",
            code="HUB-OFFLINE-FILE",
            advice='write one JSON object of "repository/type/tag": "base64 with padding"',
        ) from None
