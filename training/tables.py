"""A table of texts in Markdown and in LaTeX."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> str:
    """A Markdown table, without the line's end; the first ``texts`` columns are aligned left, the others, numbers, right."""
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * texts + "---:|" * (len(columns) - texts)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def latex_table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> str:
    """A LaTeX float that needs no package; columns as in :func:`markdown_table`. ``caption``: as it is to be read."""
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escaped(caption)}}}",
            rf"\begin{{tabular}}{{{'l' * texts}{'r' * (len(columns) - texts)}}}",
            r"\hline",
            " & ".join(map(escaped, columns)) + r" \\",
            r"\hline",
            *(" & ".join(map(escaped, row)) + r" \\" for row in rows),
            r"\hline",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """Text that LaTeX sets as it stands."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c) or (f"\\{c}" if c in "&%$#_{}" else c) for c in text)


def with_range(value: float, low: float, high: float, digits: int) -> str:
    """A figure and its range: 0.912 (0.850 to 0.951)."""
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
