"""How to score, as plain values: what the panel's parameters come to and the scoring process is started with."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Settings:
    """``model``: "default" or a weights file; ``device``, ``precision``: as ``miqanet score`` takes them; thresholds 0..100."""

    model: str = "default"
    device: str = "auto"
    precision: str = "auto"
    slice_flag: float = 50.0
    diagnostic: float = 60.0
    non_diagnostic: float = 40.0

    def policy(self):
        """miqanet's own policy with these thresholds; ValueError when they contradict each other."""
        from miqanet_core.policy import Policy

        return replace(Policy.default(), **self._thresholds())

    def policy_file(self) -> str:
        """The same for ``--policy``."""
        return "".join(f"{name} = {value!r}\n" for name, value in self._thresholds().items())

    def _thresholds(self):
        return {name: float(getattr(self, name)) for name in ("slice_flag", "diagnostic", "non_diagnostic")}
