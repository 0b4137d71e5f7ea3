"""The record of a decision at a plugin's route: who asked for what, on which grounds it was given or refused.

Nothing in it is secret: names, codes, hashes, states. By default it goes to the log, under the target `kbs.decisions`;
a release through an `insecure_…` switch is a warning that names the switch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from attestack_common.logs import get_logger
from attestation_protocol.ear import STATUS
from attestation_protocol.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from key_broker_service.errors import KbsError

ADMINISTRATOR: Final = "administrator"
GUEST: Final = "guest"

_LOG: Final = get_logger("kbs.decisions")


class DecisionRecord(Record, frozen=True):
    """One decision. `code` is empty where the request was granted, and says why not otherwise."""

    decided_at: datetime
    caller: str
    """`administrator` or `guest`: whom the route asks for."""
    method: str
    plugin: str
    path: tuple[str, ...]
    identity: str = ""
    """Subject, or role, of the administrator's token; empty where nobody has to prove to be one."""
    session: str = ""
    """The id of the session that the token came from; empty for a bearer token."""
    key_source: str = ""
    """What the token's key is trusted by; empty where there was no verified token."""
    submodules: Mapping[str, str] = {}
    """The token's submodules with their `ear.status`."""
    policy_hash: str = ""
    """SHA-384 of the policy's text in lower-case hex, where one allowed."""
    switches: tuple[str, ...] = ()
    """The `insecure_…` switches without which the request would have been refused."""
    code: str = ""
    reason: str = ""

    @property
    def granted(self) -> bool:
        """Whether the request was granted."""
        return not self.code

    def refused(self, error: KbsError) -> DecisionRecord:
        """Return the record of a refusal."""
        return msgspec.structs.replace(self, code=error.code, reason=error.why or error.message)


def statuses(claims: Mapping[str, Any]) -> dict[str, str]:
    """Return the submodules of a token with their status, `?` where there is none."""
    submodules = claims.get("submods")
    if not isinstance(submodules, dict):
        return {}
    return {
        name: str(submodule.get(STATUS, "?")) if isinstance(submodule, dict) else "?"
        for name, submodule in submodules.items()
    }


def log_decision(record: DecisionRecord) -> None:
    """Write a record to the log."""
    fields: dict[str, object] = {
        "caller": record.caller,
        "method": record.method,
        "plugin": record.plugin,
        "path": "/".join(record.path),
    }
    if record.identity:
        fields["identity"] = record.identity
    if record.session:
        fields["session"] = record.session
    if record.submodules:
        fields["submodules"] = ", ".join([f"{name} {status}" for name, status in record.submodules.items()])
        fields["key"] = record.key_source
    if record.policy_hash:
        fields["policy"] = record.policy_hash[:16]
    if not record.granted:
        fields |= {"code": record.code, "reason": record.reason}
        _LOG.info("refused", **fields)
    elif record.switches:
        fields["switches"] = ", ".join(record.switches)
        _LOG.warning("granted by an insecure switch", **fields)
    else:
        _LOG.info("granted", **fields)
