"""
Write the parameter tables of reference.md anew, from the dataclasses that declare them.

Run by `make reference`.
"""

from dataclasses import Field, fields
from pathlib import Path
import re

from relpose_ros.core.keyframe_selection import SelectionConfig
from relpose_ros.core.map_to_odom import MapToOdomConfig
from relpose_ros.core.relocalizer import RelocalizerConfig
from relpose_ros.nodes.image_player import PlayerConfig
from relpose_ros.nodes.mapper_config import MapperConfig
from relpose_ros.nodes.navigation import NavigationConfig
from relpose_ros.nodes.parameters import descriptions, NodeConfig
from relpose_ros.nodes.pose_recorder import RecorderConfig

PAGE = Path(__file__).with_name('reference.md')
# When a change takes effect, where the field itself says nothing else.
CONFIGS = {
    NodeConfig: 'on configure',
    RelocalizerConfig: 'at once',
    NavigationConfig: 'on configure',
    MapToOdomConfig: 'on configure',
    MapperConfig: 'at the start',
    SelectionConfig: 'at the start',
    PlayerConfig: 'at the start',
    RecorderConfig: 'at the start',
}
HEAD = '| parameter | default | values | a change counts | |\n|---|---|---|---|---|\n'


def filled(page: str) -> str:
    """
    Return the page with the tables between its marks replaced.

    :raises ValueError: if a config has no place on the page, or more than one.
    """
    for config, effect in CONFIGS.items():
        page = _with_table(page, config, effect)
    return page


def _with_table(page: str, config: type, effect: str) -> str:
    begin, end, table = f'<!-- {config.__name__} -->\n', '<!-- end -->', _table(config, effect)
    page, places = re.subn(f'{begin}.*?{end}', lambda _: begin + table + end, page, flags=re.S)
    if places != 1:
        raise ValueError(f'{PAGE.name}: has {places} tables of {config.__name__}')
    return page


def _table(config: type, effect: str) -> str:
    texts = descriptions(config)
    return HEAD + ''.join(_row(each, texts[each.name], effect) for each in fields(config))


def _row(each: Field, text: str, effect: str) -> str:
    default = each.default
    if isinstance(default, tuple):
        default = list(default)
    elif isinstance(default, bool):
        default = str(default).lower()
    if each.metadata.get('read_only'):
        effect = 'at the start'
    elif each.metadata.get('live'):
        effect = 'at once'
    text = text.replace('<', '&lt;').replace('|', '\\|')
    shown = f'`{default}`' if default != '' else ''
    return f'| `{each.name}` | {shown} | {_allowed(each)} | {effect} | {text} |\n'


def _allowed(each: Field) -> str:
    choices, limits = each.metadata.get('choices'), each.metadata.get('range')
    if choices:
        return ', '.join(f'`{choice}`' for choice in choices)
    return f'{limits[0]:g} to {limits[1]:g}' if limits else ''


if __name__ == '__main__':
    PAGE.write_text(filled(PAGE.read_text()))
