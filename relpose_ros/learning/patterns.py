"""Patterns of floors, walls, cloth and other materials: square images that repeat."""

import cv2
import numpy as np

SIDE_PX = 512


def noise(rng: np.random.Generator, cells: tuple[int, int], octaves: int = 5) -> np.ndarray:
    """
    Return fractal noise that repeats seamlessly.

    :param cells: bumps per row and per column of the first octave, powers of two.
    :return: (S, S) float32, zero mean, unit standard deviation.
    """
    total = None
    for octave in range(octaves):
        columns, rows = (min(SIDE_PX, c << octave) for c in cells)
        grid = 0.6**octave * rng.standard_normal((rows, columns), np.float32)
        total = grid if total is None else _enlarged(total, columns, rows) + grid
        if rows == columns == SIDE_PX:
            break
    total = _enlarged(total, SIDE_PX, SIDE_PX)
    return (total - total.mean()) / total.std()


def _enlarged(image: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """Interpolate an image that repeats; its sides divide the new ones."""
    y, x = rows // image.shape[0], columns // image.shape[1]
    image = np.pad(image, 2, mode='wrap')
    smooth = cv2.resize(image, None, fx=x, fy=y, interpolation=cv2.INTER_CUBIC)
    return smooth[2 * y : -2 * y, 2 * x : -2 * x]


def coloured(rng: np.random.Generator, value: float = 0.75, saturation: float = 0.5) -> np.ndarray:
    """Return a random colour (3,), 0 to 255, near a brightness, up to a saturation."""
    hue = rng.choice(
        (rng.normal(35, 25), rng.normal(215, 30), rng.uniform(0, 360)), p=(0.4, 0.3, 0.3)
    )
    hsv = (hue % 360, rng.uniform(0.1, 0.9) * saturation, value * rng.uniform(0.8, 1.2))
    rgb = cv2.cvtColor(np.array([[hsv]], np.float32), cv2.COLOR_HSV2RGB)[0, 0]
    return np.clip(rgb, 0, 1) * 255


def flat(colour: np.ndarray) -> np.ndarray:
    """Return an image (S, S, 3) float32 of one colour."""
    image = np.empty((SIDE_PX, SIDE_PX, 3), np.float32)
    image[:] = colour
    return image


def wood(rng: np.random.Generator) -> np.ndarray:
    """Return boards."""
    base = np.array(((176, 128, 82), (206, 170, 122), (120, 80, 52), (222, 196, 160)))
    grain = noise(rng, (2, 16), 5) + 0.6 * np.sin(noise(rng, (2, 4), 3) * 6)
    return flat(rng.choice(base)) * (1 + 0.09 * grain[..., None])


def planks(rng: np.random.Generator) -> np.ndarray:
    """Return a floor of planks."""
    image = wood(rng)
    row_px = SIDE_PX // 8
    for row in range(8):
        cut = int(rng.integers(SIDE_PX))
        board = np.roll(image[row * row_px : (row + 1) * row_px], cut, axis=1)
        board[:, cut : cut + 3] *= 0.55
        board[:, :cut] *= rng.uniform(0.8, 1.1)
        board[:, cut:] *= rng.uniform(0.8, 1.1)
        board[:2] *= 0.6
        image[row * row_px : (row + 1) * row_px] = board
    return image


def tiles(rng: np.random.Generator) -> np.ndarray:
    """Return tiles with joints."""
    across = int(rng.choice((2, 4)))
    side = SIDE_PX // across
    base, image = coloured(rng, 0.8, 0.25), np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)
    for row in range(across):
        for column in range(across):
            shade = base * rng.uniform(0.88, 1.06)
            image[row * side : (row + 1) * side, column * side : (column + 1) * side] = shade
    image *= 1 + 0.05 * noise(rng, (4, 4), 6)[..., None]
    joint = np.arange(SIDE_PX) % side < 5
    image[joint] = image[:, joint] = 120
    return image


def plaster(rng: np.random.Generator) -> np.ndarray:
    """Return rough plaster."""
    rough = 0.018 * noise(rng, (4, 4), 6) + 0.012 * noise(rng, (128, 128), 2)
    return flat(coloured(rng, 0.86, 0.14)) * (1 + rough[..., None])


def wallpaper(rng: np.random.Generator) -> np.ndarray:
    """Return plaster with printed flowers."""
    image, ink = plaster(rng), coloured(rng, 0.65, 0.4)
    step = SIDE_PX // int(rng.choice((4, 8)))
    for x in range(step // 2, SIDE_PX, step):
        for y in range(step // 2, SIDE_PX, step):
            centre = (x, (y + (x // step % 2) * step // 2) % SIDE_PX)
            for angle in range(0, 360, 60):
                cv2.ellipse(
                    image, centre, (step // 4, step // 14), angle, 0, 180, ink.tolist(), -1
                )
    return image


def brick(rng: np.random.Generator) -> np.ndarray:
    """Return bricks and mortar."""
    image = flat(np.array((190.0, 184, 175)))
    for row in range(16):
        for column in range(-1, 5):
            x, y = column * 128 + (row % 2) * 64, row * 32
            colour = np.array((168.0, 84, 62)) * rng.uniform(0.7, 1.2)
            cv2.rectangle(image, (x + 3, y + 3), (x + 125, y + 29), colour.tolist(), -1)
    return image * (1 + 0.08 * noise(rng, (16, 16), 5)[..., None])


def carpet(rng: np.random.Generator) -> np.ndarray:
    """Return a cut pile."""
    pile = 0.10 * noise(rng, (128, 128), 3) + 0.05 * noise(rng, (4, 4), 4)
    return flat(coloured(rng, 0.5, 0.4)) * (1 + pile[..., None])


def fabric(rng: np.random.Generator) -> np.ndarray:
    """Return woven stripes or checks."""
    image = flat(coloured(rng, 0.7, 0.7))
    for _ in range(int(rng.integers(2, 6))):
        width, start = int(rng.integers(8, 60)), int(rng.integers(SIDE_PX))
        stripe = (np.arange(SIDE_PX) - start) % (SIDE_PX // int(rng.choice((1, 2, 4)))) < width
        ink = coloured(rng, 0.7, 0.8)
        image[:, stripe] = 0.5 * image[:, stripe] + 0.5 * ink
        if rng.random() < 0.6:
            image[stripe] = 0.5 * image[stripe] + 0.5 * ink
    weave = 0.06 * noise(rng, (128, 128), 2) + 0.06 * noise(rng, (4, 4), 3)
    return image * (1 + weave[..., None])


def rug(rng: np.random.Generator) -> np.ndarray:
    """Return a rug with borders and a symmetric pattern."""
    image = flat(coloured(rng, 0.5, 0.7))
    for border in np.cumsum(rng.integers(12, 40, 4)):
        corner = (int(border), int(border)), (SIDE_PX - int(border), SIDE_PX - int(border))
        cv2.rectangle(image, *corner, coloured(rng, 0.6, 0.8).tolist(), int(rng.integers(4, 14)))
    for _ in range(30):
        x, y = rng.integers(110, SIDE_PX - 110, 2)
        axes = rng.integers(8, 45, 2).tolist()
        ink = coloured(rng, 0.7, 0.8).tolist()
        for centre in ((x, y), (SIDE_PX - x, y)):
            cv2.ellipse(image, centre, axes, int(rng.integers(180)), 0, 360, ink, -1)
    return image * (1 + 0.09 * noise(rng, (64, 64), 3)[..., None])


def marble(rng: np.random.Generator) -> np.ndarray:
    """Return veined stone."""
    speckle = (noise(rng, (64, 64), 3) > 1.0)[..., None] * rng.uniform(-90, 60)
    vein = np.abs(noise(rng, (2, 2), 6))[..., None]
    return flat(coloured(rng, 0.6, 0.15)) * (0.85 + 0.15 * np.minimum(vein, 1.5)) + speckle


def paint(rng: np.random.Generator) -> np.ndarray:
    """Return worn white paint."""
    worn = 0.02 * noise(rng, (4, 4), 7) + 0.008 * noise(rng, (128, 128), 1)
    return flat(np.array((236.0, 234, 228))) * (1 + worn[..., None])


def metal(rng: np.random.Generator) -> np.ndarray:
    """Return brushed metal."""
    brushed = 0.05 * noise(rng, (2, 256), 2)
    return flat(np.array((176.0, 178, 182))) * (1 + brushed[..., None])


def leaf(rng: np.random.Generator) -> np.ndarray:
    """Return leaves."""
    green = np.array((72.0, 120, 52)) * rng.uniform(0.7, 1.2, 3)
    return flat(green) * (1 + 0.25 * noise(rng, (8, 4), 5)[..., None])
