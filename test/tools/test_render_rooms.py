"""render-rooms: the same seed makes the same shard, shards are kept, and the sheet has pairs."""

from pathlib import Path

import pytest
from relpose_ros.__main__ import main
from relpose_ros.learning.views import load_views, Views
from relpose_ros.tools.render_rooms import sheet
import torch

SMALL = ('--rooms', '1', '--size', '64', '48', '--seed', '3', '--device', 'cpu')


def run(*arguments: str | Path) -> int:
    """Run the command in this process; its workers are processes of their own."""
    return main(['render-rooms', *(str(argument) for argument in arguments)])


def test_a_seed_makes_one_shard_and_shards_are_kept(tmp_path: Path) -> None:
    first, again = tmp_path / 'first', tmp_path / 'again'
    assert run(first, *SMALL) == 0
    again.mkdir()
    (again / 'rooms-00004.npz').write_text('made earlier')
    assert run(again, *SMALL, '--count', '2', '--workers', '1') == 0
    assert (again / 'rooms-00004.npz').read_text() == 'made earlier'
    assert sorted(p.name for p in again.iterdir()) == ['rooms-00003.npz', 'rooms-00004.npz']
    a, b = (load_views(folder / 'rooms-00003.npz') for folder in (first, again))
    assert a.grey.shape[1:] == (48, 64) and len(a) > 4
    assert torch.equal(a.grey, b.grey) and torch.equal(a.depth_m, b.depth_m)
    assert torch.equal(a.world_from_camera, b.world_from_camera)


def test_the_sheet_puts_views_of_one_scene_side_by_side(tmp_path: Path) -> None:
    scene = torch.tensor((0, 0, 1, 1, 2))
    grey = torch.arange(5, dtype=torch.uint8)[:, None, None].expand(5, 48, 64).contiguous()
    pose = torch.eye(4).expand(5, 4, 4)
    views = Views(grey, torch.zeros(5, 48, 64).half(), torch.eye(3).expand(5, 3, 3), pose, scene)
    picture = sheet(views)
    assert picture.shape == (56, 2 * 136)
    assert [int(picture[40, x]) for x in (10, 100, 150, 240)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    'arguments', [(), ('rooms', '--workers', '0'), ('rooms', '--photographs', '.')]
)
def test_calls_without_sense_end_with_one_line(
    arguments: tuple[str, ...], tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith('relpose_ros: ')
