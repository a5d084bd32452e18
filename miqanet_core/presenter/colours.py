"""The colours in which quality is shown: of the map, of a score, of a verdict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Viridis from its bright end (van der Walt and Smith, 2015; CC0), red, green and blue of 256 steps: perceptually uniform, safe
# for colour-blind eyes, stands out from grey. Reversed: bad is bright and draws the eye.
_VIRIDIS_REVERSED = (
    "fde724fae622f8e621f6e61ff3e51ef1e51ceee51bece41ae9e419e7e419e4e318e1e318dfe318dce218dae218d7e219d4e11ad2e11bcfe11ccde01d"
    "cae01ec7e01fc5df21c2df22bfdf24bdde26bade27b7dd29b5dd2bb2dd2cafdc2eaddc30aadb32a7db33a5da35a2da379fd9389dd93a9ad83c97d83e"
    "95d73f92d74190d6438dd6448bd54688d54786d44983d34b81d34c7ed24e7cd24f79d15177d05274d05472cf5570ce566dce586bcd5969cc5b67cc5c"
    "64cb5d62ca5f60c9605ec9615bc86259c76457c66555c66653c56751c4684fc3694dc26b4bc26c49c16d47c06e45bf6f44be7042be7140bd723ebc73"
    "3dbb743bba7539b97638b97636b87735b77833b67932b57a30b47a2fb37b2eb27c2cb17d2bb17d2ab07e29af7f28ae7f27ad8026ac8125ab8124aa82"
    "23a98223a88322a78421a78421a68520a58520a4851fa3861fa2861fa1871ea0871e9f881e9e881e9d881e9c891e9b891e9a891e998a1e998a1e988a"
    "1e978a1f968b1f958b1f948b1f938b1f928c20918c20908c208f8c218e8c218d8c218c8d228b8d228a8d22898d23898d23888d23878d24868d24858d"
    "24848d25838d25828e26818e26808e267f8e277e8e277d8e277c8e287b8e287a8e287a8e29798e29788e2a778e2a768e2a758e2b748e2b738e2c728e"
    "2c718e2c708e2d6f8e2d6e8e2e6d8e2e6c8e2e6b8e2f6a8d2f698d30688d30678d31668d31658d31648d32638d32628d33618d33608d345f8d345e8d"
    "355d8c355c8c365b8c365a8c37598c37588c38578c38568b39558b39548b3a538b3a528b3b518a3b508a3c4e8a3c4d8a3d4c893d4b893d4a893e4989"
    "3e48883f47883f4587404487404387414286414186424085423e85423d84433c84433b83433a8344398244378145368145358045347f45327f46317e"
    "46307d462f7c462d7c472c7b472b7a472a79472878472777472676472575482374482273482172482071481e70481d6f481c6e481a6c48196b47186a"
    "471669471567471466471265471163470f62460e61460c5f460b5e46095c45085b45065a450558440357440255440154"
)
QUALITY_COLOURS = np.frombuffer(bytes.fromhex(_VIRIDIS_REVERSED), np.uint8).reshape(256, 3)
"""uint8 (256, 3), read only: the colour of quality 0 (worst) in the first row to that of 100 (best) in the last."""


class Legend(NamedTuple):
    """What stands beside the colour bar."""

    worst: str
    best: str
    uncoloured: str
    in_words: str


LEGEND = Legend(
    "0 worst",
    "100 best",
    "no colour: not scored",
    "Colours of the quality map: from bright yellow, 0, worst, to dark violet, 100, best; no colour where nothing was scored",
)


class Palette(NamedTuple):
    """Colours of the surroundings, as CSS: ``good``, ``fair`` and ``bad`` are text, their ``_soft`` companions lie under it."""

    page: str
    panel: str
    ink: str
    quiet: str
    line: str
    accent: str
    good: str
    fair: str
    bad: str
    good_soft: str
    fair_soft: str
    bad_soft: str
    none_soft: str


LIGHT = Palette(
    page="#f4f6f8", panel="#ffffff", ink="#17212b", quiet="#55636f", line="#d9e0e6", accent="#1f5f8b",
    good="#1f6f5c", fair="#8a5300", bad="#b3261e",
    good_soft="#d9efe8", fair_soft="#fdebcb", bad_soft="#fbdcd9", none_soft="#e4e8ec",
)  # fmt: skip
DARK = Palette(
    page="#12181e", panel="#1b242c", ink="#e8eef3", quiet="#a3b1bd", line="#33414d", accent="#7cc0ee",
    good="#6fd3b5", fair="#f2bd63", bad="#ff9d94",
    good_soft="#173a31", fair_soft="#40300f", bad_soft="#4a201d", none_soft="#2b3640",
)  # fmt: skip


def colour_of(score: float | None) -> tuple[int, int, int] | None:
    """Red, green and blue, 0..255, of a score 0..100; None where nothing was scored."""
    if score is None or not np.isfinite(score):
        return None
    red, green, blue = QUALITY_COLOURS[_step(np.asarray(score))].tolist()
    return red, green, blue


def paint(grey: np.ndarray, quality: np.ndarray, opacity: float) -> np.ndarray:
    """A slice with its quality over it: uint8 (rows, columns, 3).

    ``grey``: (rows, columns), 0 black to 1 white. ``quality``: the same shape, 0..100, NaN where nothing was scored: there the
    slice stays grey. ``opacity``: 0 (slice only) to 1 (map only).
    """
    colours = QUALITY_COLOURS[_step(np.nan_to_num(quality))]
    share = np.where(np.isfinite(quality), np.float32(opacity), np.float32(0))[..., None]
    mixed = (255 * grey.astype(np.float32))[..., None] * (1 - share) + colours * share
    return np.asarray(np.round(mixed).astype(np.uint8))


def _step(quality: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(quality * (len(QUALITY_COLOURS) / 100), 0, len(QUALITY_COLOURS) - 1).astype(np.intp))
