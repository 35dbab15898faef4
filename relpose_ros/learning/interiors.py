"""Surfaces of offices, kitchens and corridors: plain laminate, lino, boards, keyboards, signs."""

import cv2
import numpy as np
from relpose_ros.learning.patterns import coloured, flat, noise, SIDE_PX
from relpose_ros.learning.prints import picture, write

GREYS = (12, 30, 60, 110, 160, 205, 235, 245)
INKS = ((30, 40, 150), (170, 30, 35), (30, 120, 60), (25, 25, 28))


def plain(rng: np.random.Generator) -> np.ndarray:
    """Return lacquer, laminate or plastic of one colour: grey, black, white or strong."""
    grey = np.full(3, float(rng.choice(GREYS))) * rng.uniform(0.94, 1.04, 3)
    colour = grey if rng.random() < 0.6 else coloured(rng, float(rng.uniform(0.25, 0.9)), 0.9)
    return flat(colour) * (1 + 0.012 * noise(rng, (2, 2), 7)[..., None])


def wall_paint(rng: np.random.Generator) -> np.ndarray:
    """Return a smoothly painted wall, mostly light, some of a strong colour."""
    colour = coloured(rng, 0.9, 0.08)
    if rng.random() < 0.3:
        colour = coloured(rng, float(rng.uniform(0.35, 0.75)), 0.6)
    worn = 0.006 * noise(rng, (2, 2), 4) + 0.006 * noise(rng, (128, 128), 2)
    return flat(colour) * (1 + worn[..., None])


def linoleum(rng: np.random.Generator) -> np.ndarray:
    """Return a speckled floor."""
    speckle = 0.05 * noise(rng, (64, 64), 3) + 0.03 * noise(rng, (4, 4), 4)
    return flat(coloured(rng, float(rng.uniform(0.35, 0.8)), 0.25)) * (1 + speckle[..., None])


def concrete(rng: np.random.Generator) -> np.ndarray:
    """Return concrete with stains and cracks."""
    image = flat(coloured(rng, 0.6, 0.06)) * (1 + 0.07 * noise(rng, (2, 2), 8)[..., None])
    for _ in range(3):
        steps = rng.normal(0, 9, (60, 2)).cumsum(0) + rng.uniform(0, SIDE_PX, 2)
        cv2.polylines(image, [steps.astype(np.int32)], False, (80, 80, 80), 1, cv2.LINE_AA)
    return image


def leather(rng: np.random.Generator) -> np.ndarray:
    """Return grained leather."""
    colours = ((30, 26, 24), (92, 58, 38), (196, 180, 150), (120, 40, 34), (60, 70, 84))
    creased = 0.06 * noise(rng, (64, 64), 3) + 0.07 * noise(rng, (4, 4), 5)
    return flat(np.array(rng.choice(colours), float)) * (1 + creased[..., None])


def crumpled(rng: np.random.Generator) -> np.ndarray:
    """Return the folds of a coat, a bag or a curtain."""
    folds = np.abs(noise(rng, (8, 2), 3)) + 0.5 * noise(rng, (4, 4), 4)
    colour = coloured(rng, float(rng.uniform(0.15, 0.7)), 0.8)
    return flat(colour) * (0.8 + 0.22 * folds[..., None])


def ceiling_panel(rng: np.random.Generator) -> np.ndarray:
    """Return 2 x 2 ceiling tiles with pores and the grid between them."""
    image = flat(coloured(rng, 0.9, 0.04)) * (1 + 0.02 * noise(rng, (64, 64), 3)[..., None])
    pores = noise(rng, (128, 128), 2) > rng.uniform(1.6, 2.4)
    image[pores] *= 0.78
    grid = np.arange(SIDE_PX) % (SIDE_PX // 2) < 8
    image[grid] = image[:, grid] = 214
    return image


def blind(rng: np.random.Generator) -> np.ndarray:
    """Return the slats of a closed blind."""
    slat = np.arange(SIDE_PX) % (SIDE_PX // 16) / (SIDE_PX // 16)
    shade = 0.72 + 0.3 * np.sin(np.pi * slat)
    return flat(coloured(rng, 0.85, 0.2)) * shade[:, None, None]


def grille(rng: np.random.Generator) -> np.ndarray:
    """Return the slots of a vent or the tambour of a cupboard."""
    image = flat(coloured(rng, 0.7, 0.1))
    image[:, np.arange(SIDE_PX) % 32 < rng.integers(5, 14)] *= float(rng.uniform(0.2, 0.7))
    return image


def paper(rng: np.random.Generator) -> np.ndarray:
    """Return a printed sheet: text, a table or a plot."""
    image = flat(np.full(3, 240.0))
    if rng.random() < 0.6:
        write(image, rng, (50, 30, 410, 440))
        return image
    write(image, rng, (50, 20, 410, 150))
    x = np.arange(70, 450, 4)
    for _ in range(int(rng.integers(1, 4))):
        y = 330 + rng.normal(0, 9, len(x)).cumsum().clip(-120, 120)
        ink = coloured(rng, 0.6, 1.0).tolist()
        cv2.polylines(image, [np.stack((x, y), 1).astype(np.int32)], False, ink, 3)
    cv2.rectangle(image, (66, 190), (452, 470), (30, 30, 30), 2)
    return image


def whiteboard(rng: np.random.Generator) -> np.ndarray:
    """Return a whiteboard with handwriting, boxes and arrows."""
    image = flat(np.array((238.0, 240, 240))) * (1 + 0.015 * noise(rng, (2, 2), 5)[..., None])
    for _ in range(int(rng.integers(2, 9))):
        ink, start = INKS[rng.integers(len(INKS))], rng.uniform(30, 360, 2)
        for line in range(int(rng.integers(1, 4))):
            wave = rng.normal(0, (1.2, 7), (int(rng.integers(12, 40)), 2))
            wave[:, 0] = (np.abs(wave[:, 0]) + 2.5).cumsum()
            points = (start + (0, 30 * line) + wave).astype(np.int32)
            cv2.polylines(image, [points], False, ink, 2, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 5))):
        a, b = (tuple(int(v) for v in rng.integers(40, 470, 2)) for _ in range(2))
        ink = INKS[rng.integers(len(INKS))]
        if rng.random() < 0.5:
            cv2.rectangle(image, a, b, ink, 2)
        else:
            cv2.arrowedLine(image, a, b, ink, 2, cv2.LINE_AA)
    return image


def notices(rng: np.random.Generator) -> np.ndarray:
    """Return a board with sheets pinned to it."""
    image = flat(coloured(rng, 0.5, 0.7)) * (1 + 0.05 * noise(rng, (128, 128), 2)[..., None])
    for _ in range(int(rng.integers(4, 11))):
        width, height = (int(v) for v in rng.integers(70, 170, 2))
        x, y = int(rng.integers(10, 502 - width)), int(rng.integers(10, 502 - height))
        sheet = picture(rng) if rng.random() < 0.3 else paper(rng)
        if rng.random() < 0.4:
            sheet = sheet * coloured(rng, 0.95, 0.7) / 255
        sheet = cv2.resize(sheet, (width, height), interpolation=cv2.INTER_AREA)
        image[y : y + height, x : x + width] = sheet
        cv2.circle(image, (x + width // 2, y + 8), 5, coloured(rng, 0.8, 1.0).tolist(), -1)
    return image


def keyboard(rng: np.random.Generator) -> np.ndarray:
    """Return the keys of a keyboard."""
    case, key = (24, 70) if rng.random() < 0.6 else (205, 235)
    image = flat(np.full(3, float(case)))
    for row in range(6):
        for column in range(18):
            if rng.random() < 0.06:
                continue
            x, y = 14 + column * 27, 20 + row * 80
            cv2.rectangle(image, (x, y), (x + 22, y + 66), (key,) * 3, -1)
            cv2.circle(image, (x + 8, y + 22), 3, (230 - key,) * 3, -1)
    return image


def sign(rng: np.random.Generator) -> np.ndarray:
    """Return a sign of two strong colours: an arrow, a ring, a triangle or large letters."""
    image, ink = flat(coloured(rng, 0.7, 1.0)), (245, 245, 245)
    if rng.random() < 0.4:
        image, ink = flat(np.full(3, 240.0)), coloured(rng, 0.5, 1.0).tolist()
    kind = rng.integers(4)
    if kind == 0:
        cv2.arrowedLine(image, (80, 256), (430, 256), ink, 46, tipLength=0.4)
    elif kind == 1:
        cv2.circle(image, (256, 256), 170, ink, 44)
        cv2.line(image, (140, 140), (372, 372), ink, 40)
    elif kind == 2:
        corners = np.array(((256, 70), (450, 420), (62, 420)))
        cv2.polylines(image, [corners], True, ink, 40)
    else:
        write(image, rng, (40, 120, 430, 300))
    return image
