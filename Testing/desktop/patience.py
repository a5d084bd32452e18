"""How long the window's tests wait for what must happen."""

PATIENCE = 120_000  # ms; for machines that have much else to do
