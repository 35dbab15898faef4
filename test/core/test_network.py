"""The relative pose network: kornia's features, matching, the head, its weights, its loss."""

import copy
from dataclasses import asdict
import json

from kornia.feature import LoFTR
from kornia.feature.loftr.loftr import default_cfg
import numpy as np
import pytest
from relpose_ros.core.camera import Camera
from relpose_ros.core.correspondence import (
    cell_grid,
    correspond,
    Correspondence,
    correspondence_map,
    PLACE_TEMPERATURE,
)
from relpose_ros.core.estimator import NoRelativePose
from relpose_ros.core.matcher import CoarseMatcher, MatcherConfig, official_matcher
from relpose_ros.core.motion_map import (
    CHANNELS,
    matched_motion,
    mean_nearness,
    motion_map,
    NEARNESS,
    SURENESS,
)
from relpose_ros.core.network_pose import network_size, NetworkEstimator, untrained_network
from relpose_ros.core.network_weights import DEFAULT_WEIGHTS, load_network, save_network
from relpose_ros.core.pose_head import (
    CORRECTION,
    mean_of_both_orders,
    MISFIT_GROWTH,
    PoseHead,
    PosePrediction,
)
from relpose_ros.core.refine import RefinementConfig
from relpose_ros.core.relative_pose import NetworkConfig
from relpose_ros.core.two_view_motion import Motion
from scipy.spatial.transform import Rotation
import torch

SMALL = MatcherConfig(
    stem_channels=8, block_channels=(8, 12, 16), attention_heads=4, layer_pairs=1
)
DEVICES = [
    'cpu',
    pytest.param(
        'cuda', marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU here')
    ),
]


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Save kornia's LoFTR with random weights as its authors save theirs."""
    torch.manual_seed(1)
    loftr = LoFTR(pretrained=None, config=copy.deepcopy(default_cfg)).eval()
    for module in loftr.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)
    path = tmp_path_factory.mktemp('loftr') / 'loftr.ckpt'
    state = {f'matcher.{name}': value for name, value in loftr.state_dict().items()}
    torch.save({'state_dict': state}, path)
    return loftr, path


def coarse_features_of(loftr, images_1, images_2):
    """Catch what kornia's own forward hands to its coarse matching."""
    caught = []
    hook = loftr.coarse_matching.register_forward_pre_hook(lambda _, args: caught.extend(args[:2]))
    with torch.inference_mode():
        loftr({'image0': images_1, 'image1': images_2})
    hook.remove()
    return caught


def test_coarse_features_equal_kornias(checkpoint):
    loftr, path = checkpoint
    # Sums in another order differ in float32; in float64 nothing but another formula does.
    matcher = official_matcher(str(path)).double()
    images_1, images_2 = torch.rand(2, 2, 1, 96, 128, dtype=torch.float64)
    expected_1, expected_2 = coarse_features_of(copy.deepcopy(loftr).double(), images_1, images_2)
    with torch.inference_mode():
        cells_1, cells_2 = matcher.pair_features(
            matcher.image_features(images_1), matcher.image_features(images_2)
        )
    torch.testing.assert_close(cells_1.flatten(2).transpose(1, 2), expected_1)
    torch.testing.assert_close(cells_2.flatten(2).transpose(1, 2), expected_2)


def test_the_decoder_and_the_fine_stage_are_not_there(checkpoint):
    loftr, path = checkpoint
    names = official_matcher(str(path)).state_dict().keys()
    assert names < loftr.state_dict().keys()
    assert not [name for name in names if 'fine' in name or 'layer2_outconv' in name]


@pytest.mark.parametrize('content', [b'', b'no checkpoint', None])
def test_a_file_without_loftr_weights_is_refused(tmp_path, content):
    path = tmp_path / 'weights.ckpt'
    if content is None:
        torch.save({'state_dict': {'a': torch.zeros(1)}}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match='weights.ckpt: '):
        official_matcher(str(path))
    with pytest.raises(ValueError, match='no such file, and none of the official weights'):
        official_matcher(str(tmp_path / 'absent.ckpt'))


def test_sides_must_fit_the_grid():
    with pytest.raises(ValueError, match='multiples of 8'):
        CoarseMatcher(SMALL).image_features(torch.zeros(1, 1, 60, 64))


def reference_correspondence(features_1, features_2, temperature):
    """Loop over cells, word by word as eq. (1) and (2) say."""
    channels, h1, w1 = features_1.shape
    h2, w2 = features_2.shape[1:]
    match, confidence = np.zeros((2, h1, w1)), np.zeros((h1, w1))
    for y in range(h1):
        for x in range(w1):
            scores = np.array(
                [[features_1[:, y, x] @ features_2[:, b, a] for a in range(w2)] for b in range(h2)]
            )
            scores = scores / channels / temperature
            row, column = np.unravel_index(scores.argmax(), scores.shape)
            match[:, y, x] = column, row
            confidence[y, x] = 1 / np.exp(scores - scores.max()).sum()
    return match, confidence


def test_hard_matching_and_warping_equal_the_equations():
    generator = torch.Generator().manual_seed(0)
    features_1 = torch.randn(2, 6, 3, 4, generator=generator)
    features_2 = torch.randn(2, 6, 5, 2, generator=generator)
    found, _ = correspond(features_1, features_2, temperature=0.3)
    for i in range(2):
        match, confidence = reference_correspondence(
            features_1[i].numpy(), features_2[i].numpy(), 0.3
        )
        np.testing.assert_array_equal(found.cells_2[i], match)
        np.testing.assert_allclose(found.confidence[i, 0], confidence, rtol=1e-4)
        columns, rows = found.cells_2[i].long()
        torch.testing.assert_close(found.features_2[i], features_2[i][:, rows, columns])


def mean_of_surroundings(scores, row, column):
    """Return u and v (2,) between the cells of one image, around a match; scores (h, w)."""
    near = [
        (v, u)
        for v in range(max(0, row - 1), min(scores.shape[0], row + 2))
        for u in range(max(0, column - 1), min(scores.shape[1], column + 2))
    ]
    weights = np.exp([float(scores[v, u]) / PLACE_TEMPERATURE for v, u in near])
    v, u = weights @ np.array(near) / weights.sum()
    return np.array((u, v))


def test_between_cells_a_match_is_the_mean_of_its_surroundings_in_both_images():
    generator = torch.Generator().manual_seed(0)
    features_1 = torch.randn(2, 6, 3, 4, generator=generator)
    features_2 = torch.randn(2, 6, 5, 7, generator=generator)
    found, _ = correspond(features_1, features_2, temperature=0.3)
    scores = torch.einsum('bcyx,bcvu->byxvu', features_1, features_2) / 6 / 0.3
    for i, y, x in np.ndindex(2, 3, 4):
        column, row = found.cells_2[i, :, y, x].long().tolist()
        place = mean_of_surroundings(scores[i, y, x], row, column)
        if found.mutual[i, y, x]:
            back = mean_of_surroundings(scores[i, :, :, row, column], y, x)
            place = (place + (column, row) + (x, y) - back) / 2
        np.testing.assert_allclose(found.centres_2[i, :, y, x], place, rtol=1e-4, atol=1e-5)


def test_both_orders_say_the_same_of_mutual_matches():
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(2, 6, *shape, generator=generator) for shape in ((6, 8), (5, 7))]
    forth, back = correspond(*features, temperature=0.1)
    for i, y, x in forth.mutual.nonzero().tolist():
        column, row = forth.cells_2[i, :, y, x].long().tolist()
        assert back.mutual[i, row, column]
        assert back.belief[i, row, column] == pytest.approx(float(forth.belief[i, y, x]))
        way = forth.centres_2[i, :, y, x] - torch.tensor((x, y))
        torch.testing.assert_close(
            back.centres_2[i, :, row, column], torch.tensor((column, row)) - way
        )
    turned, _ = correspond(*features[::-1], temperature=0.1)
    torch.testing.assert_close(turned.centres_2, back.centres_2)
    torch.testing.assert_close(turned.belief, back.belief)


def test_soft_warping_tends_to_hard_warping_as_the_temperature_falls():
    features_1, features_2 = torch.randn(1, 8, 4, 4), torch.randn(1, 8, 4, 4)
    hard, _ = correspond(features_1, features_2, temperature=1e-4)
    soft, _ = correspond(features_1, features_2, temperature=1e-4, soft=True)
    torch.testing.assert_close(soft.features_2, hard.features_2, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(soft.cells_2, hard.cells_2, atol=1e-3, rtol=1e-3)


def test_official_features_make_517_channels_with_rays():
    features = torch.randn(1, 256, 3, 4)
    camera = Camera(32, 24, 20.0, 25.0, 16.0, 8.0)
    K = torch.from_numpy(camera.K).float()[None]
    found, _ = correspond(features, features, 0.1)
    stacked = correspondence_map(features, found, K, K)
    assert stacked.shape == (1, 517, 3, 4)
    # An image matched with itself: cell (column 2, row 1) sits on pixel (16, 8), the centre.
    torch.testing.assert_close(stacked[0, 512:516, 1, 2], torch.zeros(4))
    pixels = cell_grid(features)[0].permute(1, 2, 0).numpy() * 8
    np.testing.assert_allclose(
        stacked[0, 512:514].permute(1, 2, 0), camera.rays(pixels)[..., :2], atol=1e-6
    )


@pytest.mark.parametrize('heads', [1, 2, 3])
def test_head_reduces_to_1152_and_every_parameter_learns(heads):
    head = PoseHead(21, heads)
    widths = []
    head.mlps[0][0].register_forward_pre_hook(lambda _, args: widths.append(args[0].shape[1]))
    prediction = head(torch.randn(4, 21, 24, 32))
    assert widths == [1152]
    assert prediction.translation_m.shape == (4, 3)
    torch.testing.assert_close(prediction.quat_xyzw.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(prediction.direction.norm(dim=1), torch.ones(4))
    assert (prediction.distance_m >= 0).all()
    total = sum(
        value.square().sum()
        for value in (
            prediction.quat_xyzw[:, 0],
            prediction.translation_m,
            prediction.log_rotation_sigma,
            prediction.log_position_sigma,
        )
    )
    total.backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize('heads', [1, 2, 3])
def test_expected_errors_are_scaled_and_nothing_else(heads):
    head = PoseHead(21, heads).eval()
    maps = torch.randn(3, 21, 18, 24, generator=torch.Generator().manual_seed(0))
    before = head(maps)
    head.scale_sigmas(2.0, 3.0)
    after = head(maps)
    grown = after.log_rotation_sigma - before.log_rotation_sigma
    assert torch.allclose(grown.exp(), torch.tensor(2.0))
    grown = after.log_position_sigma - before.log_position_sigma
    assert torch.allclose(grown.exp(), torch.tensor(3.0))
    assert torch.equal(after.quat_xyzw, before.quat_xyzw)
    assert torch.equal(after.translation_m, before.translation_m)


def test_the_head_corrects_the_motion_it_is_given():
    head = PoseHead(CHANNELS, corrects=True).eval()
    maps = torch.randn(3, CHANNELS, 18, 24, generator=torch.Generator().manual_seed(0))
    maps[:, SURENESS], maps[:, NEARNESS] = 1, 0.2
    rotation = Rotation.from_euler('xyz', [[20, -30, 170], [5, 60, -170], [0, 1, 2]], degrees=True)
    direction = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, 1]])
    motion = Motion(torch.from_numpy(rotation.as_matrix()).float(), direction, torch.zeros(3))
    with torch.no_grad():
        unchanged = head(maps, motion)
        head.mlps[0][-1].bias[[0, 8]] = 0.1 / CORRECTION
        turned = head(maps, motion)
    true = torch.from_numpy(rotation.as_quat(canonical=True)).float()
    torch.testing.assert_close(unchanged.quat_xyzw, true)
    torch.testing.assert_close(unchanged.direction, direction)
    # At first the scene is taken to be 2.5 m off.
    torch.testing.assert_close(unchanged.distance_m, torch.full((3,), 0.5))
    torch.testing.assert_close(turned.distance_m, torch.full((3,), 0.5 * np.exp(0.1)))
    # What fits worse is expected to be further off.
    with torch.no_grad():
        doubtful = head(maps, motion._replace(misfit=torch.full((3,), 0.4)))
    for name in ('log_rotation_sigma', 'log_position_sigma'):
        grown = getattr(doubtful, name) - getattr(turned, name)
        torch.testing.assert_close(grown, torch.full((3,), 0.4 * MISFIT_GROWTH))
    change = Rotation.from_quat(turned.quat_xyzw.numpy()) * rotation.inv()
    np.testing.assert_allclose(change.as_rotvec(), [[2 * np.arctan(0.1), 0, 0]] * 3, atol=1e-6)


@pytest.mark.parametrize('mirrored', [False, True])
def test_the_motion_map_of_a_step_sideways(mirrored):
    """The upper half moved by one column and the lower by two: walls, and a step along them."""
    step = -1 if mirrored else 1
    cells_1 = cell_grid(torch.zeros(1, 1, 18, 24))
    cells_2 = cells_1.clone()
    cells_2[:, 0, :9] -= step
    cells_2[:, 0, 9:] -= 2 * step
    inside = (cells_2[:, 0] >= 0) & (cells_2[:, 0] < 24)
    sure = torch.ones(1, 1, 18, 24)
    found = Correspondence(sure, cells_2, cells_2, sure, inside.float())
    K = torch.tensor([[[160.0, 0, 96], [0, 160, 72], [0, 0, 1]]])
    motion = matched_motion(found, K, K)
    torch.testing.assert_close(
        motion.direction, torch.tensor([[step, 0, 0]]).float(), atol=1e-2, rtol=0
    )
    seen = motion_map(found, motion, K, K)
    assert seen.shape == (1, CHANNELS, 18, 24)
    assert 0.05 < mean_nearness(seen) < 0.1
    # The nearer wall is where 16 px of 160 are one step: ten steps ahead.
    nearness = torch.tensor([0.05, 0.1]).repeat_interleave(9)
    torch.testing.assert_close(seen[0, NEARNESS, :, 12], nearness, atol=0.01, rtol=0)
    assert seen[0, 7].abs().max() < 0.1  # nothing misses the motion
    torch.testing.assert_close(seen[0, 9], inside[0].float())


def test_mutual_matches_are_those_that_lead_back():
    generator = torch.Generator().manual_seed(0)
    features_1 = torch.randn(2, 6, 3, 4, generator=generator)
    features_2 = torch.randn(2, 6, 5, 7, generator=generator)
    forth, back = correspond(features_1, features_2, 0.1)
    for i, y, x in np.ndindex(2, 3, 4):
        column, row = forth.cells_2[i, :, y, x].long().tolist()
        leads_back = back.cells_2[i, :, row, column].long().tolist() == [x, y]
        assert forth.mutual[i, y, x] == leads_back
        both = forth.confidence[i, 0, y, x] * back.confidence[i, 0, row, column]
        assert float(forth.belief[i, y, x]) == pytest.approx(leads_back * float(both.sqrt()))
    assert forth.mutual.any()
    assert not forth.mutual.all()


def test_other_numbers_of_heads_are_refused():
    with pytest.raises(ValueError, match='expected 1, 2 or 3'):
        PoseHead(21, 4)


@pytest.mark.parametrize('head_features', [False, True])
def test_the_matcher_is_frozen_and_the_head_is_not(head_features):
    network = untrained_network(NetworkConfig(matcher=SMALL, head_features=head_features))
    features = network.matcher.image_features(torch.rand(2, 1, 64, 64))
    K = torch.eye(3).expand(2, -1, -1)
    network(features, features, K, K).one_from_two.translation_m.sum().backward()
    assert all(parameter.grad is None for parameter in network.matcher.parameters())
    assert network.head.mlps[0][-1].weight.grad.any()


def test_the_other_order_of_a_true_prediction_is_its_inverse():
    rotation = Rotation.from_euler('xyz', [[20, -30, 170], [5, 60, -170]], degrees=True)
    t_m = np.array([[0.3, -0.2, 1.0], [-0.5, 0.1, 0.2]])

    def prediction(rotation, t_m):
        quat, distance_m = rotation.as_quat(canonical=True), np.linalg.norm(t_m, axis=1)
        direction = t_m / distance_m[:, None]
        zero = np.zeros(2)
        return PosePrediction(
            *(torch.from_numpy(v).float() for v in (quat, direction, distance_m, zero, zero))
        )

    forward = prediction(rotation, t_m)
    backward = prediction(rotation.inv(), -rotation.inv().apply(t_m))
    mean = mean_of_both_orders(forward, backward)
    cosine = (mean.quat_xyzw * forward.quat_xyzw).sum(1).abs()
    torch.testing.assert_close(cosine, torch.ones(2))
    torch.testing.assert_close(mean.translation_m, forward.translation_m)


def estimator_and_images(device='cpu', **config):
    network = untrained_network(NetworkConfig(matcher=SMALL, longest_side_px=128, **config))
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (96, 160, 3), np.uint8) for _ in range(3)]
    # What its matches are good for is random, too: geometry may have no pose of them.
    alone = RefinementConfig(pose='regression')
    return NetworkEstimator(network, 'untrained', device, alone), images


def believe_everything(monkeypatch):
    limits = {'MIN_BELIEF': 0, 'MIN_MATCHES': 1, 'MIN_CONSISTENT': 0, 'CONSISTENT_CELLS': 1e3}
    for name, value in limits.items():
        monkeypatch.setattr(f'relpose_ros.core.network_pose.{name}', value)


@pytest.mark.parametrize('device', DEVICES)
def test_one_batch_of_keyframes_equals_one_by_one(device, monkeypatch):
    believe_everything(monkeypatch)
    estimator, images = estimator_and_images(device)
    camera = Camera(160, 96, 120.0, 120.0, 80.0, 48.0)
    query, *keyframes = (estimator.features(image, camera, None) for image in images)
    together = estimator.estimate(query, keyframes)
    alone = [estimator.estimate(query, [keyframe])[0] for keyframe in keyframes]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a.keyframe_from_query, b.keyframe_from_query, atol=1e-4)
        np.testing.assert_allclose(a.covariance, b.covariance, rtol=1e-3)
    assert not np.allclose(together[0].keyframe_from_query, together[1].keyframe_from_query)


def test_keyframes_of_another_camera_go_along(monkeypatch):
    believe_everything(monkeypatch)
    estimator, images = estimator_and_images()
    wide = Camera(160, 96, 120.0, 120.0, 80.0, 48.0)
    square = Camera(96, 96, 100.0, 100.0, 48.0, 48.0)
    query = estimator.features(images[0], wide, None)
    keyframes = [
        estimator.features(images[1], wide, None),
        estimator.features(images[2][:, :96], square, None),
    ]
    results = estimator.estimate(query, keyframes)
    assert (
        results[1].matches.pixels_keyframe.max() < 96 <= results[0].matches.pixels_keyframe.max()
    )


def test_too_few_confident_matches_get_a_reason(monkeypatch):
    monkeypatch.setattr('relpose_ros.core.network_pose.MIN_BELIEF', 1.1)
    estimator, images = estimator_and_images()
    camera = Camera(160, 96, 120.0, 120.0, 80.0, 48.0)
    query, keyframe = (estimator.features(image, camera, None) for image in images[:2])
    result = estimator.estimate(query, [keyframe])[0]
    assert isinstance(result, NoRelativePose)
    assert result.reason == 'few_matches'


def test_matches_that_the_pose_does_not_explain_get_a_reason(monkeypatch):
    believe_everything(monkeypatch)
    monkeypatch.setattr('relpose_ros.core.network_pose.MIN_CONSISTENT', 0.5)
    monkeypatch.setattr('relpose_ros.core.network_pose.CONSISTENT_CELLS', 0.01)
    estimator, images = estimator_and_images()
    camera = Camera(160, 96, 120.0, 120.0, 80.0, 48.0)
    query, keyframe = (estimator.features(image, camera, None) for image in images[:2])
    result = estimator.estimate(query, [keyframe])[0]
    assert isinstance(result, NoRelativePose)
    assert result.reason == 'no_consistent_pose'


@pytest.mark.parametrize(
    ('width', 'height', 'size'),
    [
        (640, 480, (320, 240)),
        (540, 360, (320, 216)),
        (480, 640, (240, 320)),
        (1296, 968, (320, 240)),
    ],
)
def test_network_size_keeps_the_aspect(width, height, size):
    assert network_size(Camera(width, height, 500, 500, width / 2, height / 2), 320) == size


def test_saved_weights_load_into_the_same_network(tmp_path):
    network = untrained_network(NetworkConfig(matcher=SMALL, heads=3)).half().float()
    saved = save_network(tmp_path / 'a.safetensors', network, {'data': 'none'})
    loaded, content_hash = load_network(tmp_path / 'a.safetensors')
    assert content_hash == saved
    assert loaded.config == network.config
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name])


@pytest.mark.parametrize('damage', ['truncated', 'flipped', 'text', 'absent', 'other'])
def test_unusable_weights_are_refused_in_one_sentence(tmp_path, damage):
    path = tmp_path / 'a.safetensors'
    save_network(path, untrained_network(NetworkConfig(matcher=SMALL)), {})
    content = bytearray(path.read_bytes())
    if damage == 'truncated':
        path.write_bytes(content[:-100])
    elif damage == 'flipped':
        content[-100] ^= 1
        path.write_bytes(content)
    elif damage == 'text':
        path.write_text('weights')
    elif damage == 'absent':
        path.unlink()
    else:
        from safetensors.torch import save_file

        save_file({'a': torch.zeros(1)}, path)
    with pytest.raises(ValueError, match='a.safetensors: '):
        load_network(path)


def test_the_packages_own_weights_are_what_their_manifest_says():
    network, content_hash = load_network(DEFAULT_WEIGHTS)
    manifest = json.loads(DEFAULT_WEIGHTS.with_name('manifest.json').read_text())
    assert manifest['content_hash'] == content_hash
    assert manifest['architecture'] == json.loads(json.dumps(asdict(network.config)))
    assert all(row['weights'] == content_hash for row in manifest['figures'])
    assert [training['recipe']['stage'] for training in manifest['history']][-1] == 'head'
    assert DEFAULT_WEIGHTS.stat().st_size <= 12e6
