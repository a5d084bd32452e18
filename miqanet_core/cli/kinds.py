"""Choices of the command line that are no plain text."""

from __future__ import annotations

from enum import Enum


class ProgressKind(str, Enum):
    """The choices of ``--progress``."""

    AUTO = "auto"
    BAR = "bar"
    JSONL = "jsonl"
    NONE = "none"
