"""A process around a node: start, spin, and a clean end by signal or when the work is done."""

from collections.abc import Callable
from functools import wraps
import signal
import traceback
from typing import Any, Protocol

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.node import Node

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
    Run a node until it is done or interrupted.

    :param node_class: a Node and StartableNode.
    :return: the process's exit code. Programming errors are raised.
    """
    _interrupt_once()
    rclpy.init(args=args)
    nodes: list[Node] = []
    try:
        return _spun(node_class, nodes)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
        for each in SIGNALS:  # the interpreter takes the handlers away before it is gone
            signal.signal(each, signal.SIG_IGN)


def _spun(node_class: type, nodes: list[Node]) -> int:
    """Make a node, which is put on the list, and run it; return the exit code."""
    try:
        node = node_class()
        nodes.append(node)
        try:
            node.start()
        except ValueError as error:  # what a user can mend
            node.get_logger().fatal(str(error))
            return 1
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except Done as done:
        return done.exit_code
    except ParameterException as error:
        get_logger(node_class.__name__).fatal(str(error))
        return 1
    except RuntimeError:  # a signal has ended the context under what was being done
        if rclpy.ok():
            raise
    return 0


def _interrupt_once() -> None:
    """
    Have the first SIGINT or SIGTERM raise KeyboardInterrupt, and no other.

    `ros2 launch` and the terminal both send SIGINT: the second must not end the clean-up. rclpy's
    own handlers, which `init` puts before these, wake the executor and end the context.
    """
    came: list[int] = []

    def on_signal(number: int, _: object) -> None:
        came.append(number)
        if len(came) == 1:
            raise KeyboardInterrupt

    for each in SIGNALS:
        signal.signal(each, on_signal)
