"""Records: frozen, compared by their fields, and silent about what they hide."""

from __future__ import annotations

from typing import ClassVar

import pytest
from attestation_protocol.records import Record


class Sample(Record, frozen=True):
    """A record with something to hide."""

    HIDDEN: ClassVar = frozenset({"token"})

    name: str
    token: str
    size: int = 1


def test_the_repr_leaves_out_what_is_hidden() -> None:
    assert repr(Sample("a", "secret")) == str(Sample("a", "secret")) == f"{Sample.__name__}(name='a', size=1)"
    assert "secret" not in f"{Sample('a', 'secret')} {[Sample('a', 'secret')]!r}"


def test_records_are_frozen_and_compared_by_their_fields() -> None:
    one = Sample("a", "b")
    with pytest.raises(AttributeError):
        one.size = 2  # type: ignore[misc]  # that it cannot be written is the test
    assert one == Sample("a", "b", 1)
    assert hash(one) == hash(Sample("a", "b", 1))
    assert one != Sample("a", "c")


def test_every_field_that_is_hidden_is_there() -> None:
    for each in Record.__subclasses__():
        assert set(each.__struct_fields__) >= each.HIDDEN, each
