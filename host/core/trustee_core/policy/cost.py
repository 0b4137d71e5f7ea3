"""What an evaluation costs at most, written as a polynomial in the size of what a guest controls.

    size   of a document: its elements, and one for each 64 bytes of its text (`size_of_json`)
    step   what the engine does in about 100 ns: it looks at one expression, or at one element of a collection
    turn   of a loop

Loops inside loops multiply, unless one walks through a part of what another one walks through: events, and the digests
of each event, are together no more than the document. So a `Value` knows which loop variable it is a part of, and how
often the same part may be in it; a part may be walked through once.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_DEGREE: Final = 4
BYTES_PER_SIZE: Final = 64


class UnboundedError(Exception):
    """No bound is known for a policy. The message says why, for the log."""


@dataclass(frozen=True, slots=True)
class Polynomial:
    """Terms of the powers 0, 1, 2, ... of a size. None is negative."""

    terms: tuple[float, ...]

    def __add__(self, other: Polynomial) -> Polynomial:
        pairs = itertools.zip_longest(self.terms, other.terms, fillvalue=0.0)
        return Polynomial(tuple(one + another for one, another in pairs))

    def __mul__(self, other: Polynomial) -> Polynomial:
        terms = [0.0] * (len(self.terms) + len(other.terms) - 1)
        if len(terms) > MAX_DEGREE + 1:
            raise UnboundedError("its loops are nested too deep")
        for power, one in enumerate(self.terms):
            for other_power, another in enumerate(other.terms):
                terms[power + other_power] += one * another
        return Polynomial(tuple(terms))

    def at(self, size: float) -> float:
        """Return its value for a size."""
        value = 0.0
        for term in reversed(self.terms):
            value = value * size + term
        return value

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for every size."""
        return len(self.terms) == 1

    @property
    def growth(self) -> tuple[int, tuple[float, ...]]:
        """What polynomials are ordered by, for large sizes."""
        return len(self.terms), self.terms[::-1]


def constant(value: float) -> Polynomial:
    """Return a polynomial that is the same for every size."""
    return Polynomial((float(value),))


ZERO: Final = constant(0)
ONE: Final = constant(1)
WHOLE: Final = Polynomial((1.0, 1.0))
"""The size of what a guest controls, and never nothing."""


@dataclass(frozen=True, slots=True)
class Value:
    """A bound on a value: how large it is, and which loop variable it is a part of."""

    size: Polynomial
    part_of: int | None = None
    share: Polynomial = ZERO
    """For a part: how large its values are over all turns of the loop, as a multiple of what the loop walks through."""
    items: int | None = None
    """How many there are to walk through, where the policy's text says it."""

    @classmethod
    def scalar(cls) -> Self:
        """Return a number, a truth value or the like."""
        return cls(ONE)

    def grown(self, factor: Polynomial) -> Value:
        """Return a value that is larger by a factor."""
        return Value(self.size * factor, self.part_of, self.share * factor)

    def inside(self) -> Value:
        """Return what is in it: as large, and nothing is known of how many there are."""
        return Value(self.size, self.part_of, self.share)

    def without_part(self) -> Value:
        """Return the same, for where the loop is not known."""
        return Value(self.size, items=self.items)


def together(values: Sequence[Value]) -> Value:
    """Return a value that holds all these, or is one of them."""
    if len(values) == 1:
        return values[0]
    size, share = ONE, ONE
    parts: set[int | None] = set()
    for value in values:
        size += value.size
        share += value.size if value.part_of is None else value.share
        if not (value.part_of is None and value.size.is_constant):
            parts.add(value.part_of)
    part = parts.pop() if len(parts) == 1 else None
    return Value(size) if part is None else Value(size, part, share)


@dataclass(slots=True)
class Scope:
    """The body of a rule, a function or a comprehension, and what one evaluation of it costs.

    The engine evaluates the statements of a body in their order: a loop multiplies what is in its own statement and in
    those behind it.
    """

    outer: Scope | None = None
    sees_outer: bool = True
    """Whether names of the outer scope mean something here: not in a function."""
    names: dict[str, Value | None] = field(default_factory=dict)
    """Variables; None for one that is declared and has no value yet."""
    total: Polynomial = ZERO
    """Steps of the statements that are complete."""
    turns: Polynomial = ONE
    """Turns of all loops here. Those through a part of an outer loop's variable are in the turns of the outer loop."""
    results: Polynomial = ONE
    """Turns of all loops here, in one evaluation of the scope."""
    _steps: Polynomial = ZERO
    _made: set[int] = field(default_factory=set)
    _walked: set[int] = field(default_factory=set)
    _used: set[int] = field(default_factory=set)
    """Parts that the statement uses already: a loop through one of them in this statement would multiply their cost."""

    def inner(self, *, sees_outer: bool = True) -> Scope:
        """Return a scope inside this one."""
        return Scope(self, sees_outer)

    def take(self, steps: Polynomial | float) -> None:
        """Add steps to each turn."""
        self._steps += steps if isinstance(steps, Polynomial) else constant(steps)

    def complete(self) -> None:
        """End a statement: loops behind it do not multiply it."""
        self.total += self._steps * self.turns
        self._steps = ZERO
        self._used.clear()

    def end(self) -> None:
        """End the scope: its steps are some of the statement around it."""
        self.complete()
        if self.outer is not None:
            self.outer.take(self.total)

    def lookup(self, name: str) -> tuple[bool, Value | None]:
        """Return whether a variable is known, and its value if it has one."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return True, scope.names[name]
            scope = scope.outer if scope.sees_outer else None
        return False, None

    def walk(self, value: Value) -> Value:
        """Loop through a value, here; return an element."""
        part, through = next(_PARTS), value.part_of
        self._made.add(part)
        if through is not None and self.is_whole(through) and through not in self._used:
            self.results *= value.share if self.made(through) else value.size
            self.turns *= value.share
            self._walked.add(through)
            self._use(through)
            return Value(value.size, part, ONE)
        turns = value.size if value.items is None else constant(max(1, value.items))
        self.turns *= turns
        self.results *= turns
        return Value(value.size, part, ONE if value.items is None else value.size)

    def scan(self, value: Value) -> None:
        """Take the steps of an operation that looks at all of a value, in each turn."""
        self.take(self.scanning(value))
        if value.part_of is not None and self.is_whole(value.part_of):
            self._used.add(value.part_of)
            self._use(value.part_of)

    def scanning(self, value: Value) -> Polynomial:
        """Return the steps that `scan` takes."""
        return value.size if value.part_of is None or not self.is_whole(value.part_of) else value.share

    def is_whole(self, part: int) -> bool:
        """Whether no loop around this place, or before it, walks through the part."""
        return not any(part in scope._walked for scope in self._outwards())  # noqa: SLF001  # the same class

    def made(self, part: int) -> bool:
        """Whether a loop of this very scope gives the part."""
        return part in self._made

    def collected(self, term: Value) -> Value:
        """Return the collection of all that `term` is, in one evaluation of this scope."""
        whole = term.part_of is not None and self.made(term.part_of) and self.is_whole(term.part_of)
        return Value(self.results + self.results * (term.share if whole else term.size))

    def _outwards(self) -> Iterator[Scope]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def _use(self, part: int) -> None:
        for scope in itertools.islice(self._outwards(), 1, None):
            scope._used.add(part)  # noqa: SLF001  # the same class


_PARTS: Final = itertools.count()


def size_of_json(document: bytes) -> int:
    """Return a bound on the size of a JSON document: what follows a comma or opens a container, and its text."""
    elements = document.count(b",") + document.count(b"[") + document.count(b"{")
    return elements + len(document) // BYTES_PER_SIZE
