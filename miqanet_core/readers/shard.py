"""A part of the series, so that several processes or machines share an archive."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 1) of ``count``: every series belongs to exactly one, told by its own name alone.

    So it does not matter which other series there are, in which order they are found, or whether new ones arrive meanwhile.
    """

    index: int
    count: int

    def has(self, name: str) -> bool:
        """Whether the series of this name (its Series Instance UID, or its file's path as given) is of this part."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


WHOLE = Shard(1, 1)
