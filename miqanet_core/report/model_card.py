"""The short form of the model card that ships beside the weights."""

from __future__ import annotations

import re
from importlib import resources

_HEADINGS = ("summary", "in short")


def shipped_model_card() -> str:
    """The Markdown text of the shipped model card; "" when this installation has none."""
    card = resources.files("miqanet_core") / "weights" / "MODEL_CARD.md"
    return card.read_text(encoding="utf-8") if card.is_file() else ""


def summary(card: str) -> list[str]:
    """The card in short, as plain paragraphs: its section "Summary" (or "In short"), else what stands before any section."""
    opening, *sections = re.split(r"^##\s+", card, flags=re.MULTILINE)
    text = re.sub(r"\A\s*#[^\n]*\n", "", opening)
    for section in sections:
        heading, _, body = section.partition("\n")
        if heading.strip().lower() in _HEADINGS:
            text = body
    blocks = (block for block in re.split(r"\n\s*\n|\n(?=\s*[-*]\s)", text) if block.strip())
    return [_plain(block) for block in blocks]


def _plain(block: str) -> str:
    """One paragraph or list item without Markdown's marks."""
    text = re.sub(r"\A[-*]\s+", "\N{BULLET} ", " ".join(block.split()))
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"\*\*|__|`", "", text)
