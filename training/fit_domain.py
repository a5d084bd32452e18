"""Fit the in-domain check, and measure what it refuses: MR of bodies, clean and spoiled, beside images that are no MR."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from rich.progress import track
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GroupKFold

from acquisition import another_acquisition
from miqanet_core import artifacts
from miqanet_core.domain import CLIP, GAMMA, Domain, unlike_by_facts, with_log_deviations
from miqanet_core.model import LoadedModel, MIQANet
from miqanet_core.model.head import pooled
from miqanet_core.series import COLOUR_NOTE, MRSeries
from miqanet_core.transforms import TileGrid, normalise, to_network
from not_mr import NotMR, gather
from sources import Reference, Source, learnt_anatomies, only_mr, references

COMPONENTS = 128
# Of the kernel regression: how little one tile may say.
RIDGE = 0.1
# The limit leaves this share of clean slices inside, of people whom the fit had not seen, each person counting the same.
INSIDE = 0.98
# Slices of each series that are taken clean, and those of them that are spoiled; tiles of each slice.
SLICES, SPOILED, TILES = 6, 1, 3
SEVERITIES = (0.5, 1.0)
BATCH = 8
SEED = 20
# Parts into which the images of known kinds are cut to be judged by a fit that saw none of their origin.
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Sample:
    """One image: ``features`` of its tiles (tiles, F), none when it is not scored at all.

    ``group``: the subject, or the kind of what is no MR. ``origin``: the source, or what it was cut from. ``artifact``: "" when
    clean. ``refused``: by the facts that need no learning.
    """

    features: np.ndarray
    mr: bool
    group: str
    origin: str
    artifact: str = ""
    severity: float = 0.0
    refused: bool = False


@torch.inference_mode()
def tile_features(network: MIQANet, images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The network's features of at most TILES tiles of each slice, (tiles, F): only the CNN runs."""
    cut: list[list[np.ndarray]] = []
    for image in images:
        rows, columns = image.shape
        grid = TileGrid(rows, columns, network.config.tile_size, network.config.tile_size // network.global_branch.grid)
        starts, padded = grid.with_anatomy(image), grid.pad(normalise(image[None])[0])
        chosen = np.unique(np.linspace(0, len(starts) - 1, min(TILES, len(starts))).round().astype(int))
        cut.append([grid.cut(padded, starts[i]) for i in chosen])
    tiles = [tile for some in cut for tile in some]
    width = 2 * network.local_branch.level_width
    found = [np.zeros((0, width), np.float32)]
    for start in range(0, len(tiles), BATCH):
        batch = torch.from_numpy(np.stack(tiles[start : start + BATCH]))
        found.append(pooled(*network.local_branch.levels(to_network(batch))).numpy())
    return np.split(np.concatenate(found), np.cumsum([len(some) for some in cut])[:-1])


def spoiled(reference: Reference) -> list[tuple[str, float, np.ndarray]]:
    """A slice with every artefact at a middle and at the highest severity."""
    plan = product(artifacts.names(), SEVERITIES)
    return [(name, severity, artifacts.simulate(reference.image, name, severity, SEED)) for name, severity in plan]


def mr_samples(network: MIQANet, sources: Iterable[Source], folders: list[Path], acquisitions: bool) -> list[Sample]:
    """MR of bodies: clean, spoiled, and if asked for as other protocols might have shown it."""
    samples = []
    rng = np.random.default_rng(SEED)
    for source in track(list(sources), "features of MR"):
        clean = references([source], folders, SLICES)
        images = [reference.image for reference in clean]
        labels: list[tuple[str, float]] = [("", 0.0)] * len(images)
        if acquisitions:
            images += [another_acquisition(image, rng) for image in images]
            labels += [("another acquisition", 0.0)] * len(clean)
        for reference in clean[len(clean) // 2 :][:SPOILED]:
            for name, severity, image in spoiled(reference):
                images.append(image)
                labels.append((name, severity))
        for image, features, label in zip(images, tile_features(network, images), labels, strict=True):
            fact = unlike_by_facts(MRSeries(np.asarray(image[None], np.float32), None, "", "MR"))
            samples.append(Sample(features, True, source.subject, source.path, *label, refused=fact is not None))
    return samples


def not_mr_samples(network: MIQANet, images: Sequence[NotMR]) -> list[Sample]:
    """Images that are no MR, as if their format said nothing of the modality."""
    features = [tile_features(network, [each.image])[0] for each in track(images, "features of what is no MR")]
    return [
        Sample(own, False, each.kind, each.origin, refused=unlike_by_facts(as_series(each)) is not None)
        for each, own in zip(images, features, strict=True)
    ]


def as_series(image: NotMR) -> MRSeries:
    """What the reader would have made of it."""
    return MRSeries(image.image[None], None, image.origin, notes=(COLOUR_NOTE,) if image.colour else ())


def balance(samples: Sequence[Sample]) -> np.ndarray:
    """A weight for each tile, 1 on average: MR and no MR count the same, within them each subject and each kind."""
    tiles = np.array([len(s.features) for s in samples])
    keys = [(s.mr, s.group) for s in samples]
    total = {key: sum(n for n, k in zip(tiles, keys, strict=True) if k == key) for key in set(keys)}
    groups = {side: sum(n > 0 for key, n in total.items() if key[0] == side) for side in (True, False)}
    weight = [1 / (2 * groups[key[0]] * total[key]) if total[key] else 0.0 for key in keys]
    return np.asarray(np.repeat(weight, tiles) * tiles.sum())


def fit(samples: Sequence[Sample]) -> Domain:
    """The distance, with a limit of infinity: :func:`limit_of` gives the limit. ValueError without MR, or without the other."""
    if len({s.mr for s in samples}) < 2:
        raise ValueError("the in-domain check is fitted to MR and to images that are no MR; one of them is missing")
    samples = [s for s in samples if len(s.features)]
    features = with_log_deviations(np.concatenate([s.features for s in samples]))
    tiles = [len(s.features) for s in samples]
    mr, weight = np.repeat([s.mr for s in samples], tiles), balance(samples)
    centre, scale = features[mr].mean(0), features[mr].std(0) + 1e-6
    standard = np.clip((features - centre) / scale, -CLIP, CLIP)
    pca = PCA(min(COMPONENTS, *standard.shape), svd_solver="randomized", random_state=SEED).fit(standard)
    # Squared lengths of about 1, whatever the number of features, so that one width of the kernel fits all backbones.
    axes = pca.components_.T / np.sqrt(standard.shape[1])
    x = (standard - pca.mean_) @ axes
    known = LedoitWolf().fit(x[mr])
    truth = np.where(mr, -1.0, 1.0)
    ridge = KernelRidge(alpha=RIDGE, kernel="rbf", gamma=GAMMA).fit(x, truth, weight)
    return Domain(
        centre, scale, pca.mean_, axes, x, ridge.dual_coef_, known.location_, known.precision_, np.array(np.inf)
    )  # fmt: skip


def slice_distances(domain: Domain, samples: Sequence[Sample]) -> np.ndarray:
    """The distance of each image; infinity where nothing is scored, since such an image is not assessed either."""
    return np.array([domain.distance([s.features]) if len(s.features) else np.inf for s in samples])


def limit_of(samples: Sequence[Sample], people: Iterable[str]) -> float:
    """The distance below which clean MR of a person unknown to the fit lies: each subject is judged by a fit to the others."""
    distances, weights = [], []
    for subject in people:
        domain = fit([s for s in samples if not (s.mr and s.group == subject)])
        clean = [s for s in samples if s.mr and s.group == subject and not s.artifact and len(s.features)]
        distances += list(slice_distances(domain, clean))
        weights += [1 / len(clean)] * len(clean)
    order = np.argsort(distances)
    below = np.cumsum(np.array(weights)[order]) / sum(weights)
    return float(np.array(distances)[order][np.searchsorted(below, INSIDE)])


def fit_samples(network: MIQANet, sources: Sequence[Source], folders: list[Path]) -> list[Sample]:
    """What the check is fitted to: MR of all subjects but those of the test split, and all that is no MR."""
    images, missing = gather(folders, SEED)
    if missing:
        print(f"not found, so not shown to the in-domain check: {', '.join(missing)}")
    mr = mr_samples(network, [s for s in only_mr(sources) if s.split != "test"], folders, acquisitions=True)
    return mr + not_mr_samples(network, images)


def fit_domain(model: LoadedModel, sources: Sequence[Source], folders: list[Path]) -> Domain:
    """The in-domain check of a model; the subjects of the test split are not looked at."""
    samples = fit_samples(model.network, sources, folders)
    averages = {s.subject for s in sources if s.average}
    people = dict.fromkeys(s.group for s in samples if s.mr and s.group not in averages)
    return replace(fit(samples), limit=np.array(limit_of(samples, people)))


def refusals(domain: Domain, samples: Sequence[Sample]) -> np.ndarray:
    """Which images are not assessed: by the distance, by a fact, or because nothing in them can be scored."""
    return (slice_distances(domain, samples) > domain.limit) | np.array([s.refused for s in samples], bool)


def domain_figures(model: LoadedModel, sources: Sequence[Source], folders: list[Path]) -> dict[str, Any]:
    """What the check of ``model`` refuses of the test subjects' slices, and what it lets through of what is no MR.

    Of each kind of what is no MR: ``known``, judged by a fit that saw other images of the kind, and ``new``, by one that saw
    none. Both with the limit of the weights file. ValueError when the weights carry no check.
    """
    domain = Domain.from_extras(model.extras)
    if domain is None:
        raise ValueError("these weights carry no in-domain check; run training/finish.py on them first")
    learnt = fit_samples(model.network, sources, folders)
    test = mr_samples(model.network, [s for s in sources if s.split == "test"], folders, acquisitions=False)
    return figures_of(domain, learnt, test, sources)


def figures_of(domain: Domain, learnt: Sequence[Sample], test: Sequence[Sample], sources: Sequence[Source]) -> dict[str, Any]:
    """:func:`domain_figures` from features that are computed already."""
    refused = refusals(domain, test)
    anatomies = learnt_anatomies(sources)
    unseen = {s.path for s in sources if s.anatomy not in anatomies}

    def share(chosen: Iterable[bool]) -> dict[str, Any]:
        mask = np.array(list(chosen), bool)
        return {"images": int(mask.sum()), "refused": float(refused[mask].mean()) if mask.any() else 0.0}

    mr, other = [s for s in learnt if s.mr], [s for s in learnt if not s.mr]
    known, new = np.zeros(len(other), bool), np.zeros(len(other), bool)
    origins = [f"{s.group}/{s.origin}" for s in other]
    for rest, own in GroupKFold(FOLDS).split(other, groups=origins):
        refit = replace(fit(mr + [other[i] for i in rest]), limit=domain.limit)
        known[own] = refusals(refit, [other[i] for i in own])
    for kind in dict.fromkeys(s.group for s in other):
        refit = replace(fit(mr + [s for s in other if s.group != kind]), limit=domain.limit)
        own = [i for i, s in enumerate(other) if s.group == kind]
        new[own] = refusals(refit, [other[i] for i in own])

    def accepted(chosen: list[int]) -> dict[str, Any]:
        return {
            "images": len(chosen),
            "by_facts": fmean(other[i].refused for i in chosen),
            "known": 1 - float(known[chosen].mean()),
            "new": 1 - float(new[chosen].mean()),
        }

    paths, kinds = (dict.fromkeys(values) for values in ((s.origin for s in test), (s.group for s in other)))
    return {
        "limit": float(domain.limit),
        "inside": INSIDE,
        "clean": share(not s.artifact for s in test),
        "clean_by_source": {path: share(not s.artifact and s.origin == path for s in test) for path in paths},
        "unseen_anatomies": share(not s.artifact and s.origin in unseen for s in test),
        "degraded": share(bool(s.artifact) for s in test),
        "degraded_by_artifact": {
            name: {str(v): share(s.artifact == name and s.severity == v for s in test) for v in SEVERITIES}
            for name in artifacts.names()
        },
        "not_mr": accepted(list(range(len(other)))),
        "not_mr_by_kind": {kind: accepted([i for i, s in enumerate(other) if s.group == kind]) for kind in kinds},
    }
