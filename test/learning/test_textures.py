"""Textures made of photographs; procedural ones are tested with the apartment."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from relpose_ros.learning.patterns import SIDE_PX
from relpose_ros.learning.photographs import photographed, photographs_in, PRINTED, SURFACES
from relpose_ros.learning.textures import make_textures, MAKERS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a red and a blue photograph, the latter in a folder of its own."""
    (tmp_path / 'more').mkdir()
    for name, bgr in (('a.png', (30, 40, 200)), ('more/b.JPG', (200, 40, 30))):
        image = np.full((60, 90, 3), bgr, np.uint8)
        image[:, :45] //= 2
        cv2.imwrite(str(tmp_path / name), image)
    return tmp_path


def test_prints_show_photographs_and_surfaces_repeat_them(folder: Path) -> None:
    paths = photographs_in(folder)
    assert [path.name for path in paths] == ['a.png', 'b.JPG']
    for kind in ('picture', 'fabric'):
        count = MAKERS[kind][1]
        made = [
            photographed(kind, i, count, paths, np.random.default_rng(i)) for i in range(count)
        ]
        share = (PRINTED | SURFACES)[kind]
        assert sum(image is not None for image in made) == round(share * count)
        for image in made[: round(share * count)]:
            assert image.shape == (SIDE_PX, SIDE_PX, 3)
            red, green, blue = image.reshape(-1, 3).mean(0)
            assert max(red, blue) > 2 * green and (red > 2 * blue or blue > 2 * red)
            if kind == 'fabric':
                assert np.array_equal(image[:, 0], image[:, -1])
                assert np.array_equal(image[0], image[-1])
    assert photographed('brick', 0, 1, paths, np.random.default_rng(0)) is None


def test_a_folder_without_photographs_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'notes.txt').write_text('none')
    with pytest.raises(ValueError, match='holds no photographs'):
        make_textures(0, tmp_path)


def test_a_broken_photograph_is_named(folder: Path) -> None:
    (folder / 'a.png').write_bytes(b'torn')
    (folder / 'more' / 'b.JPG').unlink()
    with pytest.raises(ValueError, match=r'a\.png: cannot be read'):
        make_textures(0, folder)
