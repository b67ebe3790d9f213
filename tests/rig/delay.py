"""How long a wake takes, as a distribution: what a serverless service needs on top of PostgreSQL's own start."""

import math
import random

_Z95 = 1.6448536269514722  # of the normal distribution: 95 % lie below


class Delay:
    """`fixed SECONDS`, `uniform FROM TO`, or `lognormal MEDIAN P95`. The same seed gives the same delays."""

    def __init__(self, text: str, seed: int | None = None):
        self._random = random.Random(seed)
        self.text = ""
        self.set(text)

    def set(self, text: str) -> None:
        """Changes the distribution; a bare number is a fixed delay. ValueError when it is none."""
        words = text.split()
        if len(words) == 1:
            words = ["fixed", *words]
        numbers = [float(each) for each in words[1:]]
        match words[:1], numbers:
            case ["fixed"], [seconds] if seconds >= 0:
                self._draw = lambda: seconds
            case ["uniform"], [low, high] if 0 <= low <= high:
                self._draw = lambda: self._random.uniform(low, high)
            case ["lognormal"], [median, p95] if 0 < median <= p95:
                self._draw = lambda: self._random.lognormvariate(math.log(median), math.log(p95 / median) / _Z95)
            case _:
                raise ValueError(f"no distribution: {text!r}")
        self.text = " ".join(words)

    def draw(self) -> float:
        """Seconds."""
        return self._draw()
