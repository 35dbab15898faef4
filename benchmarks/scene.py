"""A picture to time on."""

import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX = 640, 480


def scene(seed: int = 0) -> np.ndarray:
    """Return a picture with texture of several sizes, (480, 640, 3) uint8."""
    generator = np.random.default_rng(seed)
    image = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.float32)
    for cell_px in (80, 20, 5):
        shape = (HEIGHT_PX // cell_px, WIDTH_PX // cell_px, 3)
        noise = generator.uniform(0, cell_px, shape).astype(np.float32)
        image += cv2.resize(noise, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
