"""The HTTP edge of every service: requests come in bounded and whole, responses go out with a length.

Importing this package is cheap: the parser and `ssl` are loaded when a `Server` starts.
"""

from __future__ import annotations

from attestack_common.http_server.messages import Handler, Limits, Request, Response
from attestack_common.http_server.server import Server

__all__ = ["Handler", "Limits", "Request", "Response", "Server"]
