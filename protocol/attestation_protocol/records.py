"""Records that are made for each request: frozen and typed like a frozen dataclass, and made in a tenth of its time.

They are compared by type and fields. What comes from outside is read by the parser of its message, never by `msgspec`.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Record(msgspec.Struct, frozen=True):
    """The base of such records. Its repr leaves out the fields that a subclass names in `HIDDEN`."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset()
    """What is secret, or large."""

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.HIDDEN)
        return f"{type(self).__name__}({', '.join(shown)})"
