"""Where a policy is evaluated: on the calling thread, or by a worker that can be ended.

The engine holds the interpreter's lock while it parses and evaluates, and nothing can stop it. So the thread takes only

    texts of at most 32 KiB, with literals not nested deep    they parse within some 0.1 s
    whose evaluation is bounded                               by a polynomial in the size of input and data (`estimate`)
    input and data of at most 1 MiB, within the bound         1,000,000 steps: 0.1 s; the most that was seen is 0.07 s
    that were not seen to take longer                         at the upload, or in an evaluation

and a worker all others. Policies are written by the operator, who makes mistakes; input is written by guests, who
attack: that is why the size of the input counts each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trustee_core.policy.bounds import bounded_tokens, parsing_work
from trustee_core.policy.compiled import CompiledPolicy
from trustee_core.policy.cost import UnboundedError, size_of_json

if TYPE_CHECKING:
    from trustee_core.policy.cost import Polynomial

MAX_TEXT: Final = 32 * 1024
MAX_PARSING_WORK: Final = 1 << 14
"""2 ms; 0.07 s under RUST_BACKTRACE=1, since the engine's parser then takes a stack trace whenever it turns back."""
MAX_DOCUMENTS: Final = 1024 * 1024
MAX_STEPS: Final = 1_000_000


class TooLongError(Exception):
    """A policy that does not belong on the thread. The message says why, for the log."""


class ThreadPolicy:
    """A policy that the thread has compiled and may evaluate, as long as the input is not too large."""

    def __init__(self, text: str) -> None:
        """Compile. Raises TooLongError; PolicyParseError, PolicyRefusedError."""
        require_short_parsing(text)
        self.policy: Final = CompiledPolicy(text)
        self._steps: Final = bounded_steps(self.policy)
        self._short: Final = _most(self._steps)

    def takes(self, input_json: bytes, data_json: bytes) -> bool:
        """Whether an evaluation stays within the bound."""
        length = len(input_json) + len(data_json)
        if length <= self._short:
            return True
        if length > MAX_DOCUMENTS:
            return False
        return self._steps.at(size_of_json(input_json) + size_of_json(data_json)) <= MAX_STEPS


def _most(steps: Polynomial) -> int:
    """Return a length of documents, in bytes, up to which they keep the bound whatever they hold.

    A document's size is no more than its length.
    """
    least, most = 0, MAX_DOCUMENTS
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if steps.at(middle) <= MAX_STEPS else (least, middle - 1)
    return least


def require_short_parsing(text: str) -> None:
    """Raise TooLongError if parsing could take long; PolicyParseError."""
    if len(text) > MAX_TEXT:
        raise TooLongError(f"its text has more than {MAX_TEXT} characters")
    if parsing_work(bounded_tokens(text)) > MAX_PARSING_WORK:
        raise TooLongError("its arrays and objects are nested too deep")


def bounded_steps(policy: CompiledPolicy) -> Polynomial:
    """Return the bound of an evaluation, which no input at all must exceed. Raises TooLongError."""
    try:
        steps = policy.steps()
    except UnboundedError as error:
        raise TooLongError(str(error)) from None
    if not steps.at(0) <= MAX_STEPS:  # also where the bound is no number
        raise TooLongError("it computes too much whatever the input is")
    return steps


def why_not_on_a_thread(text: str, policy: CompiledPolicy) -> str:
    """Return why a policy that is compiled belongs to a worker; empty if a thread may have it."""
    try:
        require_short_parsing(text)
        bounded_steps(policy)
    except TooLongError as error:
        return str(error)
    return ""
