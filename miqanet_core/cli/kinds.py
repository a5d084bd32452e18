"""Choices of the command line, and of its progress events, that are no plain text."""

from __future__ import annotations

from enum import Enum


class ProgressKind(str, Enum):
    """The choices of ``--progress``."""

    AUTO = "auto"
    BAR = "bar"
    JSONL = "jsonl"
    NONE = "none"


class ErrorKind(str, Enum):
    """What an ``error`` event is about: an input file, too little memory, an option or model, or a fault of ours."""

    INPUT = "input"
    MEMORY = "memory"
    SETTING = "setting"
    INTERNAL = "internal"
