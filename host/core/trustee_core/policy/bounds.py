"""What a policy may cost the engine's parser, looked at before the engine sees the text.

    1 MiB, 20,000 lines, 1,024 columns of code    the engine's own bounds
    64 brackets inside each other                 the engine's parser recurses, without a bound of its own
    16 literals (arrays, objects, sets) inside each other, and 4 Mi units of work in all
                                                  it reads a literal twice for each literal around it
    256 operators in one expression               an expression becomes a tree as deep as it has operators
    1,500 levels over all rules                   rules that use each other nest in the engine: for each rule, one level
                                                  and one for each bracket around its innermost part

A policy beyond them would not be refused by the engine but end the process, or hold it for minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trustee_core.policy.contract import PolicyParseError
from trustee_core.policy.lexer import Kind, Token, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES: Final = 1 << 20
MAX_LINES: Final = 20_000
MAX_COLUMNS: Final = 1_024
MAX_NESTING: Final = 64
MAX_LITERALS: Final = 16
MAX_WORK: Final = 1 << 22
MAX_OPERATORS: Final = 256
MAX_LEVELS: Final = 1_500

OPENING: Final = frozenset("([{")
CLOSING: Final = frozenset(")]}")
KEYWORDS: Final = frozenset(
    {"as", "contains", "default", "else", "every", "if", "import", "in", "not", "package", "some", "with"}
)
_BEFORE_A_BODY: Final = frozenset({"if", "else"})
_SEPARATORS: Final = frozenset({",", ";", ":"})


@dataclass(slots=True)
class _Bracket:
    """An open bracket, or the module itself: what was read since it opened."""

    is_literal: bool
    operators: int = 0
    after_operand: bool = False


def bounded_tokens(text: str) -> list[Token]:
    """Return the tokens of a policy that keeps the bounds. Raises PolicyParseError (POLICY-BOUNDS)."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise PolicyParseError("the policy holds half of a surrogate pair", code="POLICY-BOUNDS") from None
    if size > MAX_BYTES:
        raise _beyond(f"the policy has {size} bytes, more than {MAX_BYTES}")
    if text.count("\n") >= MAX_LINES:
        raise _beyond(f"the policy has more than {MAX_LINES} lines")
    found = list(tokens(text))
    wide = next((token for token in found if token.end > MAX_COLUMNS), None)
    if wide is not None:
        raise _beyond(f"line {wide.line} of the policy has more than {MAX_COLUMNS} columns")
    parsing_work(found)
    return found


def parsing_work(found: Iterable[Token]) -> int:
    """Return how often the engine's parser reads tokens of literals again. Raises PolicyParseError (POLICY-BOUNDS)."""
    stack = [_Bracket(is_literal=False)]
    literals = work = 0
    before = ""
    for token in found:
        here = stack[-1]
        work += (1 << literals) - 1
        if token.kind is Kind.MARK and token.text in OPENING:
            is_body = token.text == "{" and (here.after_operand or before in _BEFORE_A_BODY)
            bracket = _Bracket(is_literal=token.text in "[{" and not is_body and not here.after_operand)
            literals += bracket.is_literal
            here.after_operand = True
            stack.append(bracket)
        elif token.kind is Kind.MARK and token.text in CLOSING:
            if len(stack) > 1:
                literals -= stack.pop().is_literal
        else:
            _count(here, token)
        before = token.text
        _require_within(token, len(stack) - 1, literals, work, stack[-1].operators)
    return work


def _count(here: _Bracket, token: Token) -> None:
    """Follow an expression: operands and operators take turns; two operands in a row are two expressions."""
    if token.kind is Kind.MARK:
        here.after_operand = False
        here.operators = 0 if token.text in _SEPARATORS else here.operators + 1
    elif token.kind is Kind.NAME and token.text in KEYWORDS:
        here.after_operand = False
        here.operators = here.operators + 1 if token.text == "in" else 0
    else:
        here.operators = 0 if here.after_operand else here.operators
        here.after_operand = True


def _require_within(token: Token, nesting: int, literals: int, work: int, operators: int) -> None:
    if nesting > MAX_NESTING or literals > MAX_LITERALS:
        raise _beyond(f"line {token.line} of the policy: brackets are nested too deep")
    if operators > MAX_OPERATORS:
        raise _beyond(f"line {token.line} of the policy: more than {MAX_OPERATORS} operators in one expression")
    if work > MAX_WORK:
        raise _beyond(f"line {token.line} of the policy: nested arrays and objects would take too long to parse")


def _beyond(message: str) -> PolicyParseError:
    return PolicyParseError(
        message,
        code="POLICY-BOUNDS",
        advice="keep policies small and flat; put tables into reference values",
        engine_text=message,
    )
