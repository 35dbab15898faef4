"""The service `~/relocalize`: callers wait for the next image and get what became of it."""

from dataclasses import dataclass
from functools import partial
import json

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from rclpy.timer import Timer
from relpose_ros.core.description import described
from relpose_ros.core.localization import Localization
from relpose_ros.nodes.conversions import NS_PER_S
from std_srvs.srv import Trigger

INACTIVE = 'inactive'
NO_IMAGE = 'no_image'


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """
    A caller that waits.

    :param asked_ns: time of the request on the node's clock [ns].
    :param answer: of Trigger.Response.
    :param timer: ends the waiting.
    """

    asked_ns: int
    answer: Future
    timer: Timer


class Requests:
    """
    Any number of callers may wait at once; an image answers all that asked before it was taken.

    The service exists as long as the node, so that a caller hears of a node that is not active.
    """

    def __init__(self, node: Node) -> None:
        """Offer the service."""
        self._node = node
        self._open = False
        self._pending: list[_Request] = []
        self._newest_stamp_ns: int | None = None
        # A callback that waits for an image would keep the image's callback out of its own group.
        group = ReentrantCallbackGroup()
        node.create_service(Trigger, '~/relocalize', self._on_request, callback_group=group)

    def open(self) -> None:
        """Let callers wait from now on."""
        self._open = True

    def close(self) -> None:
        """Tell all who wait, and from now on all who ask, that the node is not active."""
        self._open = False
        for request in tuple(self._pending):
            self._finish(request, failure(INACTIVE, 'the node has been deactivated'))

    def wait_for(self, stamp_ns: int) -> bool:
        """
        Note an image that has come.

        :param stamp_ns: its stamp [ns].
        :return: whether somebody waits for it.
        """
        self._newest_stamp_ns = stamp_ns
        return any(request.asked_ns <= stamp_ns for request in self._pending)

    def answer(self, stamp_ns: int, response: Trigger.Response) -> None:
        """
        Answer all who asked before an image was taken.

        :param stamp_ns: its stamp [ns].
        """
        for request in tuple(self._pending):
            if request.asked_ns <= stamp_ns:
                self._finish(request, response)

    async def _on_request(self, _: Trigger.Request, __: Trigger.Response) -> Trigger.Response:
        if not self._open:
            return failure(INACTIVE, 'the node has to be activated first')
        timeout_s = self._node.get_parameter('request_timeout_s').value
        clock = Clock(clock_type=ClockType.STEADY_TIME)  # a paused bag must not hold the caller
        answer = Future()
        timer = self._node.create_timer(timeout_s, partial(self._expire, answer), clock=clock)
        asked_ns = self._node.get_clock().now().nanoseconds
        self._pending.append(_Request(asked_ns, answer, timer))
        self._newest_stamp_ns = None
        return await answer

    def _expire(self, answer: Future) -> None:
        for request in [each for each in self._pending if each.answer is answer]:
            waited_s = request.timer.timer_period_ns / NS_PER_S
            detail = f'none came within {waited_s:g} s: see /diagnostics'
            if self._newest_stamp_ns is not None:
                late_s = (request.asked_ns - self._newest_stamp_ns) / NS_PER_S
                detail = (
                    f'none stamped after the request came within {waited_s:g} s, the newest is '
                    f'stamped {late_s:.3f} s before it: do camera and node have the same clock '
                    '(use_sim_time)?'
                )
            self._finish(request, failure(NO_IMAGE, detail))

    def _finish(self, request: _Request, response: Trigger.Response) -> None:
        self._pending.remove(request)
        self._node.destroy_timer(request.timer)
        request.answer.set_result(response)


def success(result: Localization, map_frame: str, stamp_ns: int) -> Trigger.Response:
    """
    Return the answer with a pose, as JSON (see core.description.described).

    :param map_frame: name of the frame that the map is in.
    :param stamp_ns: the image's stamp [ns].
    """
    message = json.dumps({'stamp_ns': stamp_ns, **described(result, map_frame)})
    return Trigger.Response(success=True, message=message)


def failure(reason: str, detail: str) -> Trigger.Response:
    """
    Return the answer without a pose, as JSON.

    :param reason: a word, as in diagnostics.
    :param detail: a sentence for a person.
    """
    return Trigger.Response(message=json.dumps({'rejected': reason, 'detail': detail}))
