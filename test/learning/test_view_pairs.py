"""Overlap, groups, augmented shots and cell targets against what rendered rooms show."""

from pathlib import Path

import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.posed_image import PosedImage
from relpose_ros.learning.augmentation import Augmentation, make_shots, plain_shots
from relpose_ros.learning.matching import cell_targets, matched_share, matching_loss
from relpose_ros.learning.rgbd_warp import warped
from relpose_ros.learning.room_views import render_rooms, RoomViewsConfig
from relpose_ros.learning.view_pairs import (
    GroupSampler,
    overlapping_pairs,
    PairLimits,
    self_pairs,
    ViewPairs,
)
from relpose_ros.learning.views import join, load_views, together, Views, views_of
import torch
from torch.nn.functional import grid_sample

SIZE = (128, 96)
EXACT = Augmentation(SIZE, turn_deg=6, roll_deg=6, zoom=(0.9, 1.2), light=0, blur_px=0, noise=0)


@pytest.fixture(scope='module')
def views() -> Views:
    return render_rooms(RoomViewsConfig(size=SIZE, rooms=2, spots=1, views=8), seed=3)


@pytest.fixture(scope='module')
def pairs(views: Views) -> ViewPairs:
    return overlapping_pairs(views, PairLimits())


def agreement(shots, first, second) -> float:
    """Return how well grey values of visible cells agree with those at their true places."""
    targets = cell_targets(shots, first, second)
    own = shots.images[first, 0, ::8, ::8].flatten(1)
    height, width = shots.images.shape[2:]
    grid = ((targets.cells * 8 + 0.5) / torch.tensor([width, height]) * 2 - 1)[:, None]
    there = grid_sample(shots.images[second], grid, align_corners=False)[:, 0, 0]
    assert targets.visible.sum() > 15 * len(first)
    # Each shot has its own exposure: only grey values of one pair can be compared.
    shared = zip(own, there, targets.visible, strict=True)
    return float(np.median([np.corrcoef(a[seen], b[seen])[0, 1] for a, b, seen in shared]))


def test_pairs_lie_within_one_scene_and_the_limits(views: Views, pairs: ViewPairs) -> None:
    assert len(pairs.first) > 20
    assert (views.scene[pairs.first] == views.scene[pairs.second]).all()
    assert (pairs.first != pairs.second).all()
    assert pairs.overlap.min() >= 0.1
    near = overlapping_pairs(views, PairLimits(overlap=(0.5, 0.8), baseline_m=0.4))
    centre = views.world_from_camera[:, :3, 3]
    baseline_m = (centre[near.first] - centre[near.second]).norm(dim=1)
    assert 0 < len(near.first) < len(pairs.first)
    assert baseline_m.max() <= 0.4
    assert 0.5 <= near.overlap.min() <= near.overlap.max() <= 0.8


def test_a_view_from_the_same_place_overlaps_wholly() -> None:
    rgb = np.zeros((96, 128, 3), np.uint8)
    camera, depth_m = Camera(128, 96, 100, 100, 63.5, 47.5), np.full((96, 128), 2, np.float32)
    aside = np.eye(4)
    aside[0, 3] = 0.64  # a quarter of the width at 2 m
    images = [
        PosedImage(str(i), 0, rgb, camera, p, depth_m) for i, p in enumerate((np.eye(4), aside))
    ]
    found = overlapping_pairs(views_of(images, SIZE), PairLimits())
    assert found.overlap.tolist() == pytest.approx([0.75, 0.75], abs=0.01)


@pytest.mark.parametrize('mirrored', [False, True])
def test_cells_are_found_where_the_other_shot_shows_the_same(
    views: Views, pairs: ViewPairs, mirrored: bool
) -> None:
    chosen = pairs.overlap.argsort(descending=True)[:24]
    index = torch.stack((pairs.first[chosen], pairs.second[chosen]), 1).flatten()
    flags = torch.full((len(index),), mirrored), torch.zeros(len(index), dtype=torch.bool)
    shots = make_shots(views[index], EXACT, *flags, seed=1)
    number = torch.arange(len(index))
    assert agreement(shots, number[::2], number[1::2]) > 0.85
    shots.K[::2, 0, 2] += 24  # 3 cells aside
    assert agreement(shots, number[::2], number[1::2]) < 0.7


def test_a_view_warped_twice_corresponds_exactly(views: Views) -> None:
    index = torch.arange(6).repeat_interleave(2)
    wild = torch.ones(len(index), dtype=torch.bool)
    shots = make_shots(views[index], EXACT, torch.zeros_like(wild), wild, seed=2)
    number = torch.arange(len(index))
    assert agreement(shots, number[::2], number[1::2]) > 0.9


def test_a_warped_view_shows_what_its_depth_predicts(views: Views) -> None:
    few = views[slice(0, 6)]
    both = together([few, warped(few, seed=1)])
    seen = both.depth_m[6:] > 0
    assert 0.5 < seen.float().mean() < 1
    moved_m = (few.world_from_camera - both.world_from_camera[6:])[:, :3, 3].norm(dim=1)
    assert (moved_m > 0.02).all()
    shots, number = plain_shots(both, SIZE), torch.arange(6)
    assert agreement(shots, number, number + 6) > 0.9


def test_shots_are_the_same_for_the_same_seed(views: Views) -> None:
    flags = torch.zeros(len(views), dtype=torch.bool)
    one, again, other = (make_shots(views, Augmentation(SIZE), flags, flags, s) for s in (4, 4, 5))
    assert torch.equal(one.images, again.images)
    assert not torch.equal(one.images, other.images)
    assert 0 <= one.images.min() <= one.images.max() <= 1


def test_plain_shots_are_the_views(views: Views) -> None:
    shots = plain_shots(views, SIZE)
    assert (shots.images[:, 0] * 255 - views.grey).abs().max() < 0.01
    assert torch.allclose(shots.K, views.K)


def test_groups_keep_shares_and_neighbours(pairs: ViewPairs, views: Views) -> None:
    sampler = GroupSampler([(pairs, 0.75), (self_pairs(views), 0.25)], seed=0)
    groups = sampler.draw(4000, 3, step=0)
    assert torch.equal(groups, sampler.draw(4000, 3, step=0))
    assert not torch.equal(groups, sampler.draw(4000, 3, step=1))
    known = {(a, b) for a, b in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}
    known |= {(i, i) for i in range(len(views))}
    assert all((a, b) in known and (b, c) in known for a, b, c in groups.tolist())
    assert (groups[:, 0] == groups[:, 1]).float().mean() == pytest.approx(0.25, abs=0.03)
    with pytest.raises(ValueError, match='has none'):
        GroupSampler([(ViewPairs(*[torch.zeros(0)] * 3), 1.0)], seed=0)


def test_the_truth_is_matched_and_costs_nothing(views: Views) -> None:
    shots = plain_shots(views[slice(0, 4)], SIZE)
    first, second = torch.tensor([0, 1]), torch.tensor([2, 3])
    forward, backward = cell_targets(shots, first, second), cell_targets(shots, second, first)
    everyone = torch.ones_like(forward.visible)
    share, mutual = matched_share(forward.cells.round(), everyone, forward)
    assert share.tolist() == mutual.tolist() == pytest.approx([1, 1])
    astray, none = matched_share(forward.cells + 1.5, ~everyone, forward)
    assert astray.tolist() == none.tolist() == [0, 0]
    cells = forward.visible.shape[1]
    there = torch.nn.functional.one_hot(forward.index, cells) * forward.visible[..., None]
    losses = [matching_loss(k * there, forward, backward) for k in (50.0, 0.0)]
    assert losses[0] < 0.5 * losses[1]


def test_views_are_written_and_read(views: Views, tmp_path: Path) -> None:
    path = tmp_path / 'views.npz'
    views.save(path)
    again = load_views(path)
    assert torch.equal(again.grey, views.grey)
    assert torch.equal(again.depth_m, views.depth_m)
    assert [p.name for p in tmp_path.iterdir()] == ['views.npz']
    both = join([views, again])
    assert both.scene.unique().tolist() == [0, 1, 2, 3]
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(ValueError, match='holds no views'):
        load_views(path)
    with pytest.raises(ValueError, match='one image size'):
        join([views, render_rooms(RoomViewsConfig((64, 48), 1, 1, 2), seed=1)])
