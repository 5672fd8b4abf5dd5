"""How far a training is, by its steps or by the clock, and the learning rate there."""

from __future__ import annotations

import math
import time

WARM_UP_STEPS = 300
# By the clock the number of steps is not known beforehand.
WARM_UP_STEPS_BY_CLOCK = 100
LAST_RATE = 0.01


class Schedule:
    """Warm-up, then a half cosine to 1 % at the end: after `steps` or, where they are None, after `seconds`."""

    def __init__(self, steps: int | None, seconds: float = math.inf) -> None:
        """seconds: from now on; start-up belongs to them, but the rate falls from the first step on."""
        self.steps, self.seconds = steps, seconds
        self.begun_s = self.first_s = time.monotonic()
        self.earlier_s = self.progress = 0.0

    def start(self, earlier_s: float) -> None:
        """The first step comes now; a training that goes on was `earlier_s` seconds long already."""
        self.earlier_s, self.first_s = earlier_s, time.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds since the first step, those before a resume included."""
        return self.earlier_s + time.monotonic() - self.first_s

    def look(self, done: int) -> float:
        """Progress after `done` steps; 1 where the training ends, or is interrupted."""
        start_up_s = self.first_s - self.begun_s
        if self.steps is None:
            return min(1.0, self.spent_s / max(1e-9, self.seconds - start_up_s))
        late = time.monotonic() - self.begun_s >= self.seconds
        return 1.0 if late else min(1.0, done / self.steps)

    def rate_factor(self, done: int) -> float:
        """Scale of the learning rates of the step that follows `done` steps."""
        if self.steps is None:
            warm_up, progress = WARM_UP_STEPS_BY_CLOCK, self.progress
        else:
            warm_up, progress = min(WARM_UP_STEPS, max(1, self.steps // 10)), min(1.0, done / self.steps)
        fallen = 0.5 * (1 + math.cos(math.pi * progress))
        return min(1.0, (done + 1) / warm_up) * (LAST_RATE + (1 - LAST_RATE) * fallen)
