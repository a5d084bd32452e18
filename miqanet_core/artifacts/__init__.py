"""MR artefacts, simulated: what can go wrong with a scan, at a known severity."""

from miqanet_core.artifacts.simulate import families, names, simulate
from miqanet_core.artifacts.transforms import RandSimulateArtifact, RandSimulateArtifactd, SimulateArtifact

__all__ = ["RandSimulateArtifact", "RandSimulateArtifactd", "SimulateArtifact", "families", "names", "simulate"]
