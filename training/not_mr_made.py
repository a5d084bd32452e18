"""Images that are no MR and that need no file: pages, plots, screenshots, noise, test patterns, drawn phantoms."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from skimage.data import binary_blobs, shepp_logan_phantom
from skimage.draw import disk, ellipse, polygon
from skimage.transform import resize

from miqanet_core.readers.faults import to_grey

# What it is, the image, and whether it was in colour.
Images = Iterator[tuple[str, np.ndarray, bool]]
WORDS = ["slice", "quality", "the", "of a", "image", "report", "open", "window", "score", "patient", "is not", "file", "to"]


def sentence(rng: np.random.Generator, words: int) -> str:
    return " ".join(rng.choice(WORDS, words))


def pages(rng: np.random.Generator) -> Images:
    """Text in black on white or white on black, in several sizes of type."""
    for width, height in ((256, 256), (512, 512), (420, 594), (300, 200)) * 3:
        dark, size = rng.random() < 0.3, int(rng.integers(9, 22))
        page = Image.new("L", (width, height), 0 if dark else 255)
        draw, font = ImageDraw.Draw(page), ImageFont.load_default(size)
        for y in range(10, height - size, round(size * 1.5)):
            draw.text((12, y), sentence(rng, 12), fill=255 if dark else 0, font=font)
        yield "pages", np.asarray(page), False


def figures(rng: np.random.Generator) -> Images:
    """Plots as a paper or a dashboard shows them."""
    for number in range(16):
        figure = Figure(figsize=(4, 3), dpi=int(rng.choice([64, 100])))
        canvas, axes = FigureCanvasAgg(figure), figure.subplots()
        if number % 4 == 0:
            axes.plot(np.cumsum(rng.standard_normal((80, 3)), 0))
        elif number % 4 == 1:
            axes.bar(range(8), rng.random(8), color=["C0", "C1"])
        elif number % 4 == 2:
            axes.scatter(rng.standard_normal(200), rng.standard_normal(200), c=rng.random(200))
        else:
            axes.pie(rng.random(5))
        axes.set_title(sentence(rng, 3))
        canvas.draw()
        yield "figures", to_grey(np.asarray(canvas.buffer_rgba())), True


def screenshots(rng: np.random.Generator) -> Images:
    """Windows of programs: menus, buttons, tables, lists, with a picture panel here and there."""
    for width, height in ((640, 400), (512, 512), (480, 320), (800, 500)) * 4:
        back = tuple(int(v) for v in rng.integers(200, 256, 3)) if rng.random() < 0.6 else (32, 34, 40)
        ink = (20, 20, 20) if sum(back) > 400 else (230, 230, 230)
        window = Image.new("RGB", (width, height), back)
        draw, font = ImageDraw.Draw(window), ImageFont.load_default(12)
        draw.rectangle((0, 0, width, 24), fill=tuple(int(v) for v in rng.integers(0, 200, 3)))
        draw.text((8, 5), sentence(rng, 4), fill=(255, 255, 255), font=font)
        for row in range(36, height - 20, 22):
            draw.line((8, row + 18, width * 0.6, row + 18), fill=(150, 150, 150))
            for column in range(3):
                draw.text((10 + column * width * 0.2, row), sentence(rng, 2), fill=ink, font=font)
        left = int(width * 0.65)
        for top in range(40, height - 60, 70):
            draw.rounded_rectangle((left, top, left + 120, top + 30), 6, fill=tuple(int(v) for v in rng.integers(60, 220, 3)))
            draw.text((left + 10, top + 8), sentence(rng, 2), fill=(255, 255, 255), font=font)
        yield "screenshots", to_grey(np.asarray(window)), True


def shapes(rng: np.random.Generator) -> Images:
    """Flat or shaded discs, ellipses and polygons."""
    for number in range(20):
        side = int(rng.choice([128, 256, 384]))
        image = np.full((side, side), rng.choice([0.0, 1.0]))
        for _ in range(int(rng.integers(1, 9))):
            row, column = rng.integers(side // 5, side * 4 // 5, 2)
            if number % 3 == 0:
                where = disk((row, column), side * rng.uniform(0.05, 0.2), shape=image.shape)
            elif number % 3 == 1:
                long, short = side * rng.uniform(0.05, 0.3, 2)
                where = ellipse(row, column, long, short, shape=image.shape, rotation=rng.uniform(0, 3))
            else:
                rows, columns = rng.uniform(0, side, (2, 4))
                where = polygon(rows, columns, image.shape)
            image[where] = rng.random()
        if number % 2:
            image *= np.linspace(0.3, 1, side)
        yield "shapes", image, False


def noise(rng: np.random.Generator) -> Images:
    """Noise and nothing else: white, uniform, Rician, salt and pepper, and with spectra that fall."""
    for side in (128, 256, 320, 512):
        size = (side, side)
        yield "Gaussian", rng.standard_normal(size), False
        yield "uniform", rng.random(size), False
        yield "Rician", np.hypot(*rng.standard_normal((2, *size))), False
        yield "salt and pepper", (rng.random(size) < 0.1).astype(float), False
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
        frequency[0, 0] = 1 / side
        for power in (0.5, 0.7, 0.85, 1.0, 1.4, 2.0):  # 1 is pink, 2 brown
            name = f"falling as frequency to the power of -{power:g}"
            yield name, np.fft.ifft2(np.fft.fft2(rng.standard_normal(size)) / frequency**power).real, False
        for sigma, name in ((1.5, "smoothed a little"), (4.0, "smoothed"), (side / 40, "smoothed much")):
            yield name, ndimage.gaussian_filter(rng.standard_normal(size), sigma), False


def patterns(rng: np.random.Generator) -> Images:
    """Test patterns: ramps, boards, gratings, rings, stars, blobs."""
    for side in (128, 256, 400):
        y, x = np.mgrid[:side, :side] / side - 0.5
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        yield "ramp", x + rng.uniform(-1, 1) * y, False
        yield "radial ramp", 1 - radius, False
        yield "board", (np.floor(x * 8) + np.floor(y * 8)) % 2, False
        yield "board", (np.floor(x * 32) + np.floor(y * 32)) % 2, False
        yield "grating", np.sin(2 * np.pi * rng.uniform(5, 40) * (x + rng.uniform(-1, 1) * y)), False
        yield "rings", np.sin(2 * np.pi * 60 * radius**2), False
        yield "star", np.sin(24 * angle) > 0, False
        yield "blobs", binary_blobs(side, blob_size_fraction=float(rng.uniform(0.03, 0.2)), rng=rng), False


def drawn_phantoms(rng: np.random.Generator) -> Images:
    """Heads of ellipses, Shepp and Logan's and others drawn at random, at several sizes: plain, noisy and blurred."""
    for name, head in (("Shepp-Logan", shepp_logan_phantom()), *(("random head", random_head(rng)) for _ in range(3))):
        for side in (128, 192, 256, 400):
            image = resize(head, (side, side), anti_aliasing=True)
            yield name, image, False
            yield name, np.abs(image + 0.05 * rng.standard_normal(image.shape)), False
            yield name, ndimage.gaussian_filter(image, 2.0), False


def random_head(rng: np.random.Generator) -> np.ndarray:
    """A bright rim around a grey ellipse with smaller ellipses in it: (400, 400), 0..1."""
    side = 400
    head = np.zeros((side, side))
    tall, wide = side * rng.uniform(0.3, 0.45, 2)
    for shrink, value in ((1.0, rng.uniform(0.7, 1.0)), (rng.uniform(0.9, 0.97), rng.uniform(0.15, 0.4))):
        head[ellipse(side / 2, side / 2, tall * shrink, wide * shrink, shape=head.shape)] = value
    for _ in range(int(rng.integers(5, 12))):
        row, column = side / 2 + rng.uniform(-0.6, 0.6, 2) * (tall, wide)
        long, short = side * rng.uniform(0.01, 0.12, 2)
        head[ellipse(row, column, long, short, shape=head.shape, rotation=rng.uniform(0, 3))] += rng.uniform(-0.15, 0.4)
    return head.clip(0, 1)


MAKERS: dict[str, Callable[[np.random.Generator], Images]] = {
    "page of text": pages,
    "plot": figures,
    "screenshot": screenshots,
    "shapes": shapes,
    "noise": noise,
    "test pattern": patterns,
    "drawn phantom": drawn_phantoms,
}
