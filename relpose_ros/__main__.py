"""Command line of relpose_ros: `python -m relpose_ros COMMAND`."""

import argparse
from collections.abc import Sequence
import logging
import sys
from typing import NoReturn

from relpose_ros.tools import (
    ablate,
    build_map,
    calibrate,
    demo,
    edit_map,
    evaluate,
    export_map,
    export_weights,
    figures,
    inspect_map,
    localize,
    merge_maps,
    render_rooms,
    train,
)

COMMANDS = {
    'demo': demo,
    'build-map': build_map,
    'inspect-map': inspect_map,
    'merge-maps': merge_maps,
    'edit-map': edit_map,
    'export-map': export_map,
    'localize': localize,
    'evaluate': evaluate,
    'ablate': ablate,
    'calibrate': calibrate,
    'figures': figures,
    'render-rooms': render_rooms,
    'train': train,
    'export-weights': export_weights,
}


class _Parser(argparse.ArgumentParser):
    """Says in one line, like all other errors, what is wrong with a call."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: {message} (see --help)\n')


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    :return: exit code: 0, or 1 after one line on stderr about what the user can mend.
    :raises SystemExit: with 2, after one line on stderr, if the call itself is wrong.
    """
    parser = _Parser(
        prog='relpose_ros', description='Tells a robot where it is from one camera image.'
    )
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    for name, module in COMMANDS.items():
        summary = module.__doc__.strip().splitlines()[0]
        command = commands.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    parsed = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format='%(message)s')
    try:
        parsed.run(parsed)
    except (ValueError, OSError) as error:
        print(f'relpose_ros: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
