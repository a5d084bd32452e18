"""A result as plain text, for a mail or a log."""

from __future__ import annotations

from miqanet_core.policy import Policy
from miqanet_core.presenter.rows import slice_rows
from miqanet_core.presenter.wording import LABEL, NO_JUDGEMENT, NOTICE, doubts, headline, interval_text, series_name
from miqanet_core.presenter.worst import worst_slices
from miqanet_core.quality import SeriesQuality

_WORST = 5


def plain_summary(quality: SeriesQuality, policy: Policy) -> str:
    """Verdict, score, reasons, doubts, the worst slices and the model, a line each; no identity of a patient.

    ``policy``: the thresholds that gave the verdict.
    """
    lines = [series_name(quality), headline(quality)]
    if quality.score is not None:
        interval = interval_text(quality.interval)
        lines[1] = f"{LABEL[quality.verdict]}, {headline(quality)}" + (f" ({interval})" if interval else "")
    lines += [f"- {sentence}" for sentence in (*quality.reasons, *quality.artifact_sentences(), *doubts(quality, policy))]
    worst = slice_rows(worst_slices(quality.slices, _WORST))
    if worst:
        lines.append("Lowest: " + ", ".join(f"slice {row.number} ({row.score_text})" for row in worst))
    lines.append(f"Model: {quality.model.name}, version {quality.model.version}")
    lines.append(f"MIQA: {NOTICE[0].lower()}{NOTICE[1:]}. {NO_JUDGEMENT}")
    return "\n".join(" ".join(line.split()) for line in lines) + "\n"
