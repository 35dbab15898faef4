"""A process around a node: start, spin, and a clean end by signal or when the work is done."""

from collections.abc import Callable
from functools import wraps
import signal
import traceback
from typing import Any, Protocol

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

SIGNALS = (signal.SIGINT, signal.SIGTERM)
POLL_S = 0.1  # after which a signal is noticed while nothing happens
PATIENCE_S = 2.0  # that a callback has after a signal to end by itself


class Done(Exception):
    """
    Raised by a node that ends its process.

    :param exit_code: 0 if all went well.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class StartableNode(Protocol):
    """A node that does something between its construction and spinning."""

    def start(self) -> None:
        """
        Begin.

        :raises Done: if there is nothing to spin for.
        :raises ValueError: with a sentence for the user, if it cannot.
        """


def transition(callback: Callable[[Any], None]) -> Callable[..., TransitionCallbackReturn]:
    """
    Make a lifecycle transition of a method, and log what it raises.

    rclpy turns an exception into a failure and says nothing.

    :param callback: raises ValueError, with a sentence for the user, if it cannot.
    """

    @wraps(callback)
    def logged(node: LifecycleNode, state: Any) -> TransitionCallbackReturn:
        try:
            callback(node)
        except ValueError as error:
            node.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            node.get_logger().fatal(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    return logged


def run(node_class: type, args: list[str] | None = None) -> int:
    """
    Run a node until it is done or a signal comes.

    :param node_class: a Node and StartableNode.
    :return: the process's exit code. Programming errors are raised.
    """
    stop = _StopSignal()
    # rclpy's own handlers end the context from another thread, under whatever is being done.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    nodes: list[Node] = []
    try:
        return _spun(node_class, nodes, stop)
    except KeyboardInterrupt:
        return 0
    finally:
        stop.ignore_more()
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()


def _spun(node_class: type, nodes: list[Node], stop: '_StopSignal') -> int:
    """Make a node, which is put on the list, and run it; return the exit code."""
    try:
        node = node_class()
        nodes.append(node)
        try:
            node.start()
        except ValueError as error:  # what a user can mend
            node.get_logger().fatal(str(error))
            return 1
        # Left to the garbage collector the executor may find its own parts destroyed, and says so.
        with SingleThreadedExecutor() as executor:
            executor.add_node(node)
            while not stop.came:
                executor.spin_once(timeout_sec=POLL_S)
    except Done as done:
        return done.exit_code
    except ParameterException as error:
        get_logger(node_class.__name__).fatal(str(error))
        return 1
    return 0


class _StopSignal:
    """
    The first SIGINT or SIGTERM; `ros2 launch` and the terminal both send SIGINT.

    It is looked for between callbacks, because an exception in the middle of one would leave
    rclpy in any state. Only a callback that goes on for longer than PATIENCE_S is interrupted.
    """

    def __init__(self) -> None:
        """Listen for signals."""
        self.came = False
        for each in SIGNALS:
            signal.signal(each, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_alarm)

    def ignore_more(self) -> None:
        """Let no signal disturb the process any more."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)

    def _on_signal(self, *_: object) -> None:
        if not self.came:
            self.came = True
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)

    def _on_alarm(self, *_: object) -> None:
        raise KeyboardInterrupt
