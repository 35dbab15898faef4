"""Other cameras than the map's: lenses of every model, grey and coloured, and turned images."""

from array import array
from dataclasses import replace
from pathlib import Path
import subprocess

import cv2
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.nodes.conversions import camera_info_message, image_message, stamp_ns
from sensor_msgs.msg import Image

LENSES = {
    'plumb_bob': (-0.3, 0.1, 0.002, -0.001, -0.02),
    'rational_polynomial': (0.4, 0.1, 0.001, -0.001, 0.02, 0.7, 0.2, 0.03),
    'equidistant': (-0.05, 0.02, -0.01, 0.002),
}


def seen_through(view, camera: Camera) -> np.ndarray:
    """Bend a picture as a lens does: the inverse of its model tells where each pixel looks."""
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    pixels = np.stack((u, v), axis=-1).reshape(-1, 1, 2)
    fisheye = camera.distortion_model == 'equidistant'
    undistort = cv2.fisheye.undistortPoints if fisheye else cv2.undistortPoints
    rays = undistort(pixels, camera.K, np.array(camera.distortion)).reshape(v.shape + (2,))
    rays = np.concatenate((rays, np.ones_like(rays[..., :1])), axis=-1)
    source = view.camera.project(rays).astype(np.float32)
    return cv2.remap(view.rgb, source, None, cv2.INTER_LINEAR)


@pytest.mark.parametrize('encoding', ['rgb8', 'mono8'])
@pytest.mark.parametrize('model', LENSES)
def test_a_lens(rig, relocalizer, photograph, model: str, encoding: str):
    """The pose is right, which it is not if the lens is left out of account."""
    view = photograph(0.2, 0.1, 6.0)
    # Another focal length, principal point and size than the map's camera.
    lens = Camera(400, 260, 260.0, 265.0, 210.0, 125.0, LENSES[model], model)
    image = seen_through(view, lens)

    def error_m(camera: Camera) -> float:
        msg, info = rig.pair(image, camera)
        if encoding == 'mono8':
            grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            msg = Image(height=260, width=400, step=400, encoding='mono8', header=msg.header)
            msg.data = array('B', grey.tobytes())
        report = rig.report_of(msg, info)
        if report['result'] != 'accepted':
            return np.inf
        stamp = stamp_ns(msg.header.stamp)
        rig.until(lambda: stamp in rig.stamps('/relocalizer/pose'))
        pose = rig.heard['/relocalizer/pose'][rig.stamps('/relocalizer/pose').index(stamp)]
        position = pose.pose.pose.position
        found_m = np.array([position.x, position.y, position.z])
        return float(np.linalg.norm(found_m - view.map_from_camera[:3, 3]))

    assert error_m(lens) < 0.015
    assert error_m(replace(lens, distortion=())) > 0.03


def test_turned_images(rig, start, tmp_path: Path, photograph, wall_map: Path):
    """A camera that hangs upside down or on its side is told so, if that keeps it from a pose."""
    # The image upright is as similar as 0.56, turned as 0.17.
    start(
        'relocalizer_node',
        *('-p', f'map_path:={wall_map}', '-p', 'min_similarity:=0.4', '-r', '__node:=other'),
        stdout=subprocess.DEVNULL,
    )
    view = photograph(0.2)
    camera = view.camera
    half = replace(camera, cx=camera.width - 1 - camera.cx, cy=camera.height - 1 - camera.cy)

    def said(rgb: np.ndarray, turned: Camera, expected: str) -> bool:
        msg = image_message(np.ascontiguousarray(rgb), 'lens', rig.next_stamp_ns())
        rig.publish(camera_info_message(turned, 'lens', 0), msg)
        rig.spin(0.2)
        return any(expected in each for each in rig.messages('other'))

    rig.until(lambda: said(np.rot90(view.rgb, 2), half, 'turned by 180 degrees the image has a'))
    rig.until(lambda: said(view.rgb, camera, 'accepted: '))
    side = Camera(240, 320, camera.fy, camera.fx, camera.cy, camera.width - 1 - camera.cx)
    rig.until(lambda: said(np.rot90(view.rgb), side, 'turned by 90 degrees clockwise the'))
    rig.until(lambda: said(np.rot90(view.rgb), camera, 'has it been turned by 90 degrees'))
