"""What does one picture cost? One looked at alone, against sixteen looked at together.

Both are timed in turns in one process in which they are compiled, so that a busy neighbour slows both. The
picture is an array of the model's size already; what counting does besides is to read, bring and write it.

    python benchmarks/one_picture.py
"""

import statistics
import time
from collections.abc import Callable

import jax
import numpy as np

from common import arguments, publish
from subitize.counter.inference import PICTURES_AT_ONCE, infer
from subitize.models.air import AIR, AIRSettings

SIDE, OBJECT = 40, 24.0  # pixels: those of the bundled digits
MODELS = ("air", "dair")


def main() -> None:
    """Alternate inference at one picture and at sixteen."""
    args = arguments(__doc__, rounds=200)
    rounds, models = (3, MODELS[:1]) if args.tiny else (args.rounds, MODELS)
    found = {model: timed_inference(untrained(model), rounds) for model in models}
    publish(args.out, "one_picture", {"together": PICTURES_AT_ONCE, "rounds": rounds, "models": found})


def untrained(model: str) -> AIR:
    """A model that has learned nothing: the time does not depend on what it knows."""
    settings = AIRSettings(
        model=model, height=SIDE, width=SIDE, channels=1, max_objects=3, object_size=OBJECT
    )
    return jax.jit(lambda key: AIR(settings, key=key))(jax.random.key(0))


def timed_inference(model: AIR, rounds: int) -> dict[str, float]:
    """Median milliseconds of one picture and of sixteen, and their ratio."""
    images = np.random.default_rng(0).random((PICTURES_AT_ONCE, SIDE, SIDE, 1), np.float32)
    infer(model, images[:1]), infer(model, images)
    alone, together = (lambda: infer(model, images[:1])), (lambda: infer(model, images))
    pairs = [(timed(alone), timed(together)) for _ in range(rounds)]
    one, sixteen = (1000 * statistics.median(times) for times in zip(*pairs, strict=True))
    return {
        "one_ms_median": round(one, 2),
        "sixteen_ms_median": round(sixteen, 2),
        "one_of_sixteen_median": round(statistics.median(a / b for a, b in pairs), 3),
    }


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call, whose result is in the host's memory at its end."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
