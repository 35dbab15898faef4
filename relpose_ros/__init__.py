"""Tells a robot where it is from one camera image."""

import os

# Read when torch is loaded. By default OpenMP's threads wait for each other in busy loops; with
# other processes on the same cores that made single images take 1 s instead of 20 ms.
os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
