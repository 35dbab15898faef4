"""A folder is opened by the files that are in it."""

from pathlib import Path

import numpy as np
import pytest
from relpose_ros.datasets import layouts


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (('rgb/1.0.png', 'groundtruth.txt'), '1.0.png: broken|groundtruth.txt: no line'),
        (('color/0.jpg', 'intrinsic/intrinsic_color.txt'), 'broken image|intrinsic_color'),
        (('seq0/frame_00000.jpg', 'intrinsics.txt'), 'intrinsics.txt: expected'),
        (('dataset_train.txt', 'dataset_test.txt'), 'dataset_train.txt: expected'),
        (('image_0/000000.png', 'calib.txt'), 'poses.txt: no such file'),
        (('images/0.png', 'K.txt'), 'poses.txt: no such file'),
        (('rgb/0.png', 'a_c2w.txt'), 'broken image'),
        (('seq-01/frame-000000.color.png',), 'none of the frames is an image with a valid pose'),
    ],
)
def test_each_reader_of_images_is_found(tmp_path: Path, names, message: str) -> None:
    """An empty file of a layout is refused by that layout's reader."""
    touch(tmp_path, *names)
    with pytest.raises(ValueError, match=message):
        layouts.open_images(tmp_path)


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (('test.npz', 'intrinsics.npz'), 'test.npz: missing or no npz file'),
        (('scannet_sample_pairs_with_gt.txt',), 'A B rotA rotB'),
        (('db_all_med_hard_valid.txt',), 'imgA imgB scene'),
        (('seq0/frame_00000.jpg', 'intrinsics.txt'), 'intrinsics.txt: expected'),
        (('s00001/intrinsics.txt',), 's00001/intrinsics.txt: expected'),
    ],
)
def test_each_reader_of_pairs_is_found(tmp_path: Path, names, message: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(ValueError, match=message):
        layouts.open_pairs(tmp_path)


def test_images_are_opened(tmp_path: Path, wall) -> None:
    wall.write(tmp_path / 'images/0.png', wall.camera, wall.poses[1])
    np.savetxt(tmp_path / 'K.txt', wall.camera.K)
    np.savetxt(tmp_path / 'poses.txt', [wall.poses[1].ravel()])
    (image,) = layouts.open_images(str(tmp_path))
    wall.assert_shown(image)


def test_a_7scenes_folder_opens_with_all_its_frames(
    tmp_path: Path, photograph, write_recording
) -> None:
    views = [photograph(0.1 * i) for i in range(8)]
    split = (
        'layout: 7scenes\n'
        'camera: {focal_px: 280, principal_point_px: [160, 120]}\n'
        'keyframes: {sequence: seq-01, start: 0, stop: 4, step: 2}\n'
        'queries: {sequence: seq-01, start: 4, stop: 7, step: 2}\n'
        'replay: {sequence: seq-01, start: 4, stop: 7}\n'
    )
    folder = write_recording(tmp_path, split, views)
    images = layouts.open_images(folder)
    assert [image.name for image in images] == [
        f'seq-01/frame-{number:06d}' for number in (0, 2, 4, 5, 6)
    ]
    np.testing.assert_array_equal(images[-1].rgb, views[6].rgb)
    assert images[0].camera.fx == 280
    (folder / 'split.yaml').unlink()
    assert len(layouts.open_images(folder)) == 8
    (folder / 'TrainSplit.txt').write_text('sequence1')
    with pytest.raises(ValueError, match='no split.yaml, nor TrainSplit.txt and TestSplit.txt'):
        layouts.open_images(folder)


def test_unknown_folders(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f'{tmp_path}: no layout of posed images fits; known are'):
        layouts.open_images(tmp_path)
    with pytest.raises(ValueError, match=f'{tmp_path}: no layout of image pairs fits; known are'):
        layouts.open_pairs(tmp_path)
    with pytest.raises(ValueError, match='nowhere: no such folder'):
        layouts.open_pairs(tmp_path / 'nowhere')
