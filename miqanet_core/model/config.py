"""What a network is made of, as data: one frozen dataclass, and the presets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from miqanet_core.errors import ModelError


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that makes one MIQANet differ from another. Sizes are in pixels, tokens or channels, as named.

    ``tile_size``: side of the square input, in pixels.
    ``global_backbone``: name of any timm vision transformer. ``global_patch_size`` replaces its own patch side in pixels
    (None keeps it); tile_size / patch side is the token grid, which ``window`` must divide.
    ``global_blocks``: which of its blocks are tapped, counted from 0, rising; the transformer is cut after the last.
    ``local_backbone``: name of any timm CNN. ``local_levels``: which of its feature levels (timm's ``feature_info``) are used,
    rising; cut after the last. ``local_stem_pool=False`` leaves out the stem's max-pool, which doubles every level's side.
    ``attention_blocks``: transposed attention blocks before stage 1, and again before stage 2.
    ``reduce_before_attention``: the 1x1 convolutions that narrow the map come before these blocks (cheap) or after (released).
    ``released_reshape``: the transpose-then-reshape of the released attention, which mixes memory order. Checkpoints of the
    released network depend on it; without it a token keeps its place, so the score map stays true to the image.
    ``stage_widths``: channels of Swin stage 1 and of both branches at the fusion. ``stage_layers`` layers a stage, each of
    ``layer_blocks`` Swin blocks with ``heads`` heads; ``mlp_hidden``: hidden channels of the blocks' MLP, stage 1 and 2.
    ``fusion``: "adaptive_sum" (the released network) or "deformable_concat" (the published figure).
    ``score_activation``: last step of the scoring head; "sigmoid" keeps a score in 0..1, "relu" only above 0.
    ``artifacts``: what the artefact head tells apart, in order; none leaves the head out.
    """

    name: str
    tile_size: int
    global_backbone: str
    global_patch_size: int | None
    global_blocks: tuple[int, ...]
    local_backbone: str
    local_levels: tuple[int, ...]
    local_stem_pool: bool
    attention_blocks: int
    reduce_before_attention: bool
    released_reshape: bool
    stage_widths: tuple[int, int]
    stage_layers: int
    layer_blocks: int
    window: int
    heads: int
    mlp_hidden: tuple[int, int]
    fusion: Literal["adaptive_sum", "deformable_concat"]
    score_activation: Literal["relu", "sigmoid"]
    artifacts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.fusion not in ("adaptive_sum", "deformable_concat"):
            raise ModelError(f"{self.name}: fusion is adaptive_sum or deformable_concat, not {self.fusion!r}")
        if self.score_activation not in ("relu", "sigmoid"):
            raise ModelError(f"{self.name}: score_activation is relu or sigmoid, not {self.score_activation!r}")
        for what, taken in (("global_blocks", self.global_blocks), ("local_levels", self.local_levels)):
            if not taken or min(taken) < 0 or sorted(set(taken)) != list(taken):
                raise ModelError(f"{self.name}: {what} must be rising numbers from 0, not {taken}")
        if any(width % self.heads for width in (*self.stage_widths, self.fused_width)):
            raise ModelError(f"{self.name}: stage widths {self.stage_widths} must be multiples of {self.heads} heads")

    @property
    def fused_width(self) -> int:
        """Channels from the fusion to the head: concatenation doubles them, a sum does not."""
        return self.stage_widths[1] * (2 if self.fusion == "deformable_concat" else 1)

    def to_json(self) -> str:
        """One line of JSON, for the metadata of a weights file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> NetworkConfig:
        """The inverse of :meth:`to_json`; ModelError when a field is missing, unknown or of the wrong type."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ModelError(f"not a network configuration: {error}") from None
        return cls._from_document(document)

    @classmethod
    def _from_document(cls, document: Any) -> NetworkConfig:
        names = [f.name for f in fields(cls)]
        if not isinstance(document, Mapping) or sorted({"artifacts": (), **document}) != sorted(names):
            raise ModelError(f"not a network configuration: its fields must be {', '.join(names)}")
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in document.items()}
        # A field must look like the preset's: this text may come from a file that somebody else wrote.
        for name, pattern in asdict(PRESETS["miqanet_b8"]).items():
            value = values.setdefault(name, ())  # files written before there was an artefact head do not name its artefacts
            if name == "global_patch_size":
                good = value is None or type(value) is int
            elif name == "artifacts":
                good = isinstance(value, tuple) and all(type(v) is str for v in value)
            elif isinstance(pattern, tuple):
                fixed = name in ("stage_widths", "mlp_hidden")
                good = isinstance(value, tuple) and all(type(v) is int for v in value) and (not fixed or len(value) == 2)
            else:
                good = type(value) is type(pattern)
            if not good:
                raise ModelError(f"not a network configuration: {name} is {value!r}")
        return cls(**values)


# The released implementation: its checkpoints load into this one.
_B8 = NetworkConfig(
    name="miqanet_b8",
    tile_size=224,
    global_backbone="vit_base_patch8_224",
    global_patch_size=None,
    global_blocks=(6, 7, 8, 9),
    local_backbone="resnet18",
    local_levels=(4,),
    local_stem_pool=False,
    attention_blocks=2,
    reduce_before_attention=False,
    released_reshape=True,
    stage_widths=(768, 384),
    stage_layers=2,
    layer_blocks=2,
    window=4,
    heads=4,
    mlp_hidden=(768, 768),
    fusion="adaptive_sum",
    score_activation="relu",
)

# The published figure; what the figure leaves open follows the released implementation.
_B8_DEFORM = replace(_B8, name="miqanet_b8_deform", fusion="deformable_concat")

# The default: small enough to ship (float16 under 24 MB) and to run on a CPU, its map true to the image. Each transformer
# block costs a sixth of the time, so three it is.
_TINY = NetworkConfig(
    name="miqanet_tiny",
    tile_size=256,
    global_backbone="vit_small_patch14_dinov2",
    global_patch_size=16,
    global_blocks=(0, 1, 2),
    local_backbone="tf_efficientnet_lite0",
    local_levels=(0, 1, 2, 3),
    local_stem_pool=True,
    attention_blocks=1,
    reduce_before_attention=True,
    released_reshape=False,
    stage_widths=(192, 128),
    stage_layers=1,
    layer_blocks=2,
    window=4,
    heads=4,
    mlp_hidden=(192, 128),
    fusion="adaptive_sum",
    score_activation="sigmoid",
    artifacts=("ghosting", "motion", "noise", "blur", "shading", "wrap_around", "spike"),
)

PRESETS: dict[str, NetworkConfig] = {preset.name: preset for preset in (_B8, _B8_DEFORM, _TINY)}
