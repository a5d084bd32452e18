"""How good a model is: on severity ladders of subjects, and artefacts, it never saw, and on images that people have rated.

``python training/evaluate.py card --recipe training/recipes/miqanet_tiny.toml --data DIR --card FILE``
``python training/evaluate.py left-out --recipe training/recipes/miqanet_tiny_left_out.toml --data DIR --model FILE --out FILE``
``python training/evaluate.py cross-validate --dataset rad-iqmri --root DIR --recipe FILE --out DIR``
``python training/evaluate.py baselines --recipe training/recipes/miqanet_tiny_ninth_stage.toml --data DIR --out DIR``
"""

from __future__ import annotations

import typer

import card
import cross_validate
import deep_baselines
import left_out

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command("card")(card.main)
app.command("left-out")(left_out.main)
app.command("cross-validate")(cross_validate.main)
app.command("baselines")(deep_baselines.main)

if __name__ == "__main__":
    app()
