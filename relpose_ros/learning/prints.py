"""Prints: pictures, posters, book spines, screens and labels, each with text of its own."""

import string

import cv2
import numpy as np
from relpose_ros.learning.patterns import coloured, flat, noise, SIDE_PX

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)


def words(rng: np.random.Generator, letters: int) -> str:
    """Return a random word."""
    return ''.join(rng.choice(list(string.ascii_letters + string.digits), letters))


def _stamp(
    image: np.ndarray,
    text: str,
    start: tuple[int, int],
    font: int,
    scale: float,
    ink: np.ndarray,
) -> None:
    """Print one line; through a mask, since OpenCV draws text on 8-bit images only."""
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.putText(mask, text, start, font, scale, 255, 1 + int(scale * 1.5), cv2.LINE_AA)
    rows = slice(max(0, start[1] - 60), start[1] + 30)
    cover = mask[rows, :, None] / np.float32(255)
    image[rows] += cover * (ink.astype(np.float32) - image[rows])


def write(image: np.ndarray, rng: np.random.Generator, box: tuple[int, int, int, int]) -> None:
    """Fill a box x y width height of an image with lines of text."""
    x, y, width, height = box
    ink = coloured(rng, 0.25, 0.9)
    font, scale = int(rng.choice(FONTS)), float(rng.uniform(0.45, 1.6))
    line_px = int(30 * scale) + 4
    for bottom in range(y + line_px, y + height, line_px):
        letters = max(2, int(width / (19 * scale) * rng.uniform(0.5, 1)))
        text = ' '.join(words(rng, int(n)) for n in rng.integers(2, 8, letters // 5 + 1))
        _stamp(image, text[:letters], (x, bottom), font, scale, ink)


def _ridge(rng: np.random.Generator) -> np.ndarray:
    """Return the outline (S,) of hills [px]."""
    waves = np.arange(1, 24)[:, None]
    phase = rng.uniform(0, 2 * np.pi, waves.shape)
    height = rng.normal(0, 40, waves.shape) / waves
    return (height * np.sin(waves * np.linspace(0, 2 * np.pi, SIDE_PX) + phase)).sum(0)


def picture(rng: np.random.Generator) -> np.ndarray:
    """Return a painting: layered hills, houses or abstract forms under a sky."""
    image = flat(coloured(rng, 0.9, 0.4)) * (1 + 0.08 * noise(rng, (2, 2), 4)[..., None])
    for layer in range(int(rng.integers(3, 7))):
        ridge = SIDE_PX * (0.25 + 0.11 * layer) + _ridge(rng)
        below = np.arange(SIDE_PX)[:, None] > ridge
        image[below] = coloured(rng, 0.75 - 0.08 * layer, 0.8)
    for _ in range(int(rng.integers(8, 40))):
        x, y = (int(v) for v in rng.integers(0, SIDE_PX, 2))
        ink, size = coloured(rng, 0.7, 1.0).tolist(), rng.integers(5, 70, 2).tolist()
        if rng.random() < 0.5:
            cv2.rectangle(image, (x, y), (x + size[0], y + size[1]), ink, -1)
            cv2.rectangle(image, (x, y), (x + size[0], y + size[1]), (40, 30, 30), 2)
        else:
            cv2.ellipse(image, (x, y), size, int(rng.integers(180)), 0, 360, ink, -1)
    return image * (1 + 0.12 * noise(rng, (16, 16), 5)[..., None])


def poster(rng: np.random.Generator) -> np.ndarray:
    """Return a printed page with headlines, text and often a picture."""
    image = flat(coloured(rng, 0.9, 0.3))
    if rng.random() < 0.7:
        top, height = int(rng.integers(20, 220)), int(rng.integers(130, 260))
        inset = cv2.resize(picture(rng), (SIDE_PX - 60, height))
        image[top : top + height, 30:-30] = inset
        write(image, rng, (30, top + height, SIDE_PX - 60, SIDE_PX - top - height - 20))
        write(image, rng, (30, 0, SIDE_PX - 60, top))
    else:
        write(image, rng, (30, 10, SIDE_PX - 60, 150))
        write(image, rng, (30, 170, SIDE_PX // 2 - 40, 320))
        write(image, rng, (SIDE_PX // 2 + 10, 170, SIDE_PX // 2 - 40, 320))
    return image * (1 + 0.02 * noise(rng, (4, 4), 4)[..., None])


def books(rng: np.random.Generator) -> np.ndarray:
    """Return a row of book spines with vertical titles."""
    lying = np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)  # one book above the other, then turned
    y = 0
    while y < SIDE_PX:
        height = int(rng.integers(36, 96))
        lying[y : y + height] = coloured(rng, 0.6, 0.9)
        for x in rng.integers(10, SIDE_PX - 20, 2):
            lying[y : y + height, x : x + int(rng.integers(3, 14))] = coloured(rng, 0.8, 0.6)
        font, ink = int(rng.choice(FONTS)), coloured(rng, 0.85, 0.5)
        title = ' '.join(words(rng, int(n)) for n in rng.integers(3, 9, 3))
        place = (int(rng.integers(15, 90)), y + height // 2 + 9)
        _stamp(lying, title, place, font, height / 70, ink)
        lying[y : y + 3] *= 0.35
        y += height
    lying *= 1 + 0.04 * noise(rng, (16, 16), 4)[..., None]
    return np.rot90(lying, -1).copy()


def screen(rng: np.random.Generator) -> np.ndarray:
    """Return a desktop with windows."""
    image = flat(np.array((28.0, 32, 44)))
    for _ in range(4):
        x, y = (int(v) for v in rng.integers(5, 260, 2))
        width, height = (int(v) for v in rng.integers(160, 250, 2))
        pane = picture(rng) if rng.random() < 0.4 else flat(coloured(rng, 0.92, 0.1))
        pane = np.ascontiguousarray(pane[:height, :width])
        if rng.random() < 0.7:
            write(pane, rng, (8, 24, width - 12, height - 30))
        pane[:18] = coloured(rng, 0.6, 0.7)
        image[y : y + height, x : x + width] = pane
    return image


def label(rng: np.random.Generator) -> np.ndarray:
    """Return the print on a package."""
    image = flat(coloured(rng, 0.8, 0.7)) * (1 + 0.05 * noise(rng, (8, 8), 5)[..., None])
    for _ in range(3):
        x, y = (int(v) for v in rng.integers(0, 300, 2))
        size = rng.integers(60, 200, 2)
        cv2.rectangle(image, (x, y), (x + size[0], y + size[1]), coloured(rng).tolist(), -1)
    write(image, rng, (40, int(rng.integers(20, 150)), SIDE_PX - 80, 260))
    return image


def cardboard(rng: np.random.Generator) -> np.ndarray:
    """Return a cardboard box."""
    image = flat(np.array((186.0, 146, 98))) * (1 + 0.05 * noise(rng, (32, 8), 5)[..., None])
    image[:, 236:276] *= 0.86
    write(image, rng, (60, 300, 300, 120))
    return image


def outdoor(rng: np.random.Generator) -> np.ndarray:
    """Return a street front: sky, houses with windows, trees."""
    image = flat(np.array((168.0, 200, 235))) * (1 + 0.05 * noise(rng, (4, 2), 5)[..., None])
    x = 0
    while x < SIDE_PX:
        width, top = int(rng.integers(60, 120)), int(rng.integers(150, 300))
        image[top:, x : x + width] = coloured(rng, 0.75, 0.35)
        for wy in range(top + 14, SIDE_PX - 30, 40):
            for wx in range(x + 10, x + width - 16, 26):
                cv2.rectangle(image, (wx, wy), (wx + 12, wy + 20), (70, 80, 95), -1)
        x += width
    for _ in range(14):
        centre = (int(rng.integers(SIDE_PX)), int(rng.integers(360, SIDE_PX)))
        green = (np.array((70, 120, 60)) * rng.uniform(0.7, 1.3)).tolist()
        cv2.circle(image, centre, int(rng.integers(18, 50)), green, -1)
    return image * (1 + 0.08 * noise(rng, (32, 32), 4)[..., None])
