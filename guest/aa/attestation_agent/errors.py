"""Errors of the agent.

AgentError                     base
├── TokenUnavailableError      a token of a kind that is unknown or not configured
└── InitDataRefusedError       init-data that does not parse, or is not what the platform was launched with
"""

from __future__ import annotations

from attestack_common.errors import AttestackError


class AgentError(AttestackError):
    """Base of the agent's errors."""

    default_code = "AGENT"


class TokenUnavailableError(AgentError):
    """A token of a kind that is unknown or not configured."""

    default_code = "AGENT-TOKEN"


class InitDataRefusedError(AgentError):
    """Init-data that does not parse, or is not what the platform was launched with."""

    default_code = "AGENT-INIT-DATA"
