"""Makes recorded requests fresh, so that a running broker can be asked them again.

Nonces, cookies and tokens are those of the run; report data that was the right digest of its message is the right
digest of the fresh one; a token that was altered is the fresh token altered in the same parts. All else is sent byte
for byte as it was recorded.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.conformance.recordings import Headers, Response

if TYPE_CHECKING:
    from tests.conformance.recordings import Step

_COOKIE = "kbs-session-id="
_TOKEN_PARTS = 3


@dataclass
class Replay:
    """One run against one broker, case by case in their order."""

    port: int
    host: str = "127.0.0.1"
    tokens: dict[str, str] = field(default_factory=dict)
    """Fresh tokens by recorded ones."""
    _nonces: dict[str, str] = field(default_factory=dict)
    _cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, step: Step) -> Response:
        """Send one recorded request, made fresh, and remember what its answer brought."""
        request = step.request
        body = self._fresh_body(request.body)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items:
                connection.putheader(name, str(len(body)) if name == "content-length" else self._fresh(name, value))
            connection.endheaders()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(body)  # the answer to a body that is too large comes before its end
            answer = connection.getresponse()
            response = Response(answer.status, Headers(tuple(answer.getheaders())), answer.read())
        finally:
            connection.close()
        self._remember(step.response, response)
        return response

    def _remember(self, recorded: Response, fresh: Response) -> None:
        then, now = session_cookie(recorded), session_cookie(fresh)
        if then and now:
            self._cookies[then] = now
        for name, known in (("nonce", self._nonces), ("token", self.tokens)):
            then, now = member(recorded, name), member(fresh, name)
            if then and now:
                known[then] = now

    def _fresh(self, name: str, value: str) -> str:
        if name == "cookie":
            session = value.removeprefix(_COOKIE)
            return _COOKIE + self._cookies.get(session, session)
        if name == "authorization":
            scheme, space, token = value.partition(" ")
            return scheme + space + self._fresh_token(token)
        return value

    def _fresh_token(self, token: str) -> str:
        parts = token.split(".")
        if len(parts) != _TOKEN_PARTS:
            return token

        def alike(recorded: str) -> int:
            return sum(len(old) for part, old in zip(parts, recorded.split("."), strict=True) if part == old)

        nearest = max(self.tokens, key=alike)
        pairs = zip(parts, nearest.split("."), self.tokens[nearest].split("."), strict=True)
        return ".".join(_part(*each) for each in pairs)

    def _fresh_body(self, body: bytes) -> bytes:
        message = _object(body)
        runtime: dict[str, Any] = message.get("runtime-data", {})
        nonce = runtime.get("nonce")
        if nonce not in self._nonces:
            return body
        evidence, fresh = message["tee-evidence"], runtime | {"nonce": self._nonces[nonce]}
        devices = _object(evidence["additional_evidence"].encode())
        for device in devices.values():
            if isinstance(device, dict):
                _rebind(device, runtime, fresh)
        additional = json.dumps(devices) if devices else evidence["additional_evidence"]
        assert not devices or json.loads(additional).keys() == json.loads(evidence["additional_evidence"]).keys()
        bound = {"additional-evidence": evidence["additional_evidence"]}
        _rebind(evidence["primary_evidence"], runtime | bound, fresh | {"additional-evidence": additional})
        evidence["additional_evidence"] = additional
        message["runtime-data"] = fresh
        compact = b'": ' not in body
        return json.dumps(message, separators=(",", ":") if compact else None).encode()


def session_cookie(response: Response) -> str | None:
    """The value of the session cookie that a response sets."""
    field_value = response.headers.get("set-cookie")
    return None if field_value is None else field_value.partition(";")[0].removeprefix(_COOKIE)


def member(response: Response, name: str) -> str | None:
    """A text of a JSON body."""
    value = _object(response.body).get(name)
    return value if isinstance(value, str) else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _part(part: str, old: str, new: str) -> str:
    """One part of a token: fresh where it was the recorded one, cut where that was cut, else as it was altered."""
    if part == old:
        return new
    return new[: len(part)] if part and old.startswith(part) else part


def _rebind(evidence: dict[str, Any], recorded: dict[str, Any], fresh: dict[str, Any]) -> None:
    if evidence.get("report_data") == _report_data(recorded):
        evidence["report_data"] = _report_data(fresh)


def _report_data(claims: dict[str, Any]) -> str:
    text = json.dumps(claims, sort_keys=True, separators=(",", ":"))
    return base64.b64encode(hashlib.sha384(text.encode()).digest()).decode()
