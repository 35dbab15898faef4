"""Messages that belong to an image and come before or after it, heard within its callback."""

from collections.abc import Callable
import time

from rclpy.subscription import Subscription

POLL_S = 0.005


def hear(*subscriptions: Subscription) -> None:
    """
    Hand what has arrived to the subscriptions' callbacks, without waiting for the executor.

    It runs one callback a round: behind a slow one for images, other topics would lag more and
    more.
    """
    for subscription in subscriptions:
        with subscription.handle:
            while taken := subscription.handle.take_message(subscription.msg_type, False):
                subscription.callback(taken[0])


def wait_until(condition: Callable[[], bool], limit_s: float) -> None:
    """
    Return as soon as a condition holds, or after a time; nothing else runs meanwhile.

    :param condition: hears of what it waits for by `hear`.
    :param limit_s: how long to wait [s].
    """
    end_s = time.monotonic() + limit_s
    while not condition() and time.monotonic() < end_s:
        time.sleep(POLL_S)
