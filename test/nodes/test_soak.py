"""Hours at 30 Hz: memory stays flat. Runs where RELPOSE_SOAK_MINUTES says for how long."""

import os
import time

import numpy as np
import pytest

MINUTES = float(os.environ.get('RELPOSE_SOAK_MINUTES', '0'))
PERIOD_S = 1 / 30
SAMPLES = 30
FLAT_KB = 10_000  # a leak of 0.2 kB an image is more, in half an hour


@pytest.mark.skipif(not MINUTES, reason='RELPOSE_SOAK_MINUTES is not set; 30 is a good value')
def test_soak(rig, relocalizer, photograph):
    """Images that are found, not found and of no use, by turns; the camera never rests."""
    views = [photograph(x_m, seed=seed) for seed in (0, 0, 0, 1) for x_m in np.linspace(-1, 1, 8)]
    shot = 0

    def shoot() -> None:
        nonlocal shot
        msg, info = rig.image(views[shot % len(views)])
        shot += 1
        if shot % 30 == 0:
            msg.step = 1
        rig.publish(info, msg)

    timer = rig.node.create_timer(PERIOD_S, shoot)
    resident_kb, results = [], set()
    begin_s = time.monotonic()
    for sample in range(SAMPLES):
        rig.spin(begin_s + (sample + 1) * 60 * MINUTES / SAMPLES - time.monotonic())
        results |= {each['result'] for each in rig.reports()}
        done = len([each for each in rig.reports() if 'image_stamp' in each])
        for heard in rig.heard.values():
            heard.clear()
        resident_kb.append(rig.resident_kb(relocalizer))
        seconds = time.monotonic() - begin_s
        print(f'{seconds:.0f} s: {shot} images sent, {done} done, {resident_kb[-1]} kB')
    rig.node.destroy_timer(timer)
    assert {'accepted', 'bad_input'} < results
    early, late = resident_kb[SAMPLES // 5 : 2 * SAMPLES // 5], resident_kb[-SAMPLES // 5 :]
    assert np.median(late) - np.median(early) < FLAT_KB, resident_kb
