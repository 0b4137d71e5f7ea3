"""The base of every package's errors.

    AttestackError            a stable code, a message, and what to do next
    ├── ConfigError           a configuration that cannot be taken: names the file and the key
    └── UsageError            a command line that cannot be taken

Each package draws its own tree below `AttestackError`. `attestation_protocol` has its own base with the same
members, since it imports nothing of ours; `code_and_advice` reads both.
"""

from __future__ import annotations

from typing import ClassVar


class AttestackError(Exception):
    """An error that a user can meet. `code` is stable; `advice` says what to do next. None of it holds a secret."""

    default_code: ClassVar[str] = "ATTESTACK"

    def __init__(self, message: str, *, code: str | None = None, advice: str = "") -> None:
        self.code = code or self.default_code
        self.message = message
        self.advice = advice
        super().__init__(f"{message} [{self.code}]")

    def diagnostics(self) -> str:
        """Return the text for a terminal: what happened, the code, what to do."""
        return f"{self}\n  {self.advice}" if self.advice else str(self)


class ConfigError(AttestackError):
    """A configuration that cannot be taken. The message names the file and the key."""

    default_code = "CONFIG"


class UsageError(AttestackError):
    """A command line that cannot be taken."""

    default_code = "USAGE"


def code_and_advice(error: BaseException) -> tuple[str, str]:
    """Return the stable code and the advice of any of our errors; `INTERNAL` for an error that is not ours."""
    code, advice = getattr(error, "code", None), getattr(error, "advice", "")
    return (code, advice) if isinstance(code, str) and isinstance(advice, str) else ("INTERNAL", "")
