"""Compile: how much work does the compiler put into a program?

On a CPU, XLA spends most of a short training on optimizing. A program that runs often is compiled here at its
first level of optimization, one that runs once at none, and neither by fusion emitters. `benchmarks/start.py`
measures what that is worth. Other devices keep XLA's own settings.
"""

import functools
from collections.abc import Callable
from typing import Any, Generic, Literal, ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")
Runs = Literal["often", "once"]
LEVELS: dict[Runs, int] = {"often": 1, "once": 0}


class Compiled(Generic[P, R]):
    """A function that is compiled for what it is called with, as by `jax.jit`, but sooner.

    It is for the outermost function: JAX refuses compiler options within another compiled one.

    Attributes:
        program: the function by `jax.jit`, with the options for this process's device.
    """

    def __init__(self, function: Callable[P, R], runs: Runs, **options: Any):
        functools.update_wrapper(self, function)
        self.function, self.runs, self.options = function, runs, options

    @functools.cached_property
    def program(self) -> Any:
        """Made at the first call: only then is the device known."""
        return jax.jit(self.function, compiler_options=compiler_options(self.runs), **self.options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function returns."""
        return self.program(*args, **kwargs)


def compiled(*, runs: Runs, **options: Any) -> Callable[[Callable[P, R]], Compiled[P, R]]:
    """A decorator that compiles a function quickly.

    Args:
        runs: often or once; the less it runs, the less it is optimized.
        options: further ones of `jax.jit`.
    """
    return lambda function: Compiled(function, runs, **options)


@functools.cache
def compiler_options(runs: Runs) -> dict[str, bool | int] | None:
    """Options of XLA for a program on this process's device; None for its own."""
    if jax.default_backend() != "cpu":
        return None
    options = {"xla_backend_optimization_level": LEVELS[runs]}
    without_emitters = options | {"xla_cpu_use_fusion_emitters": False}
    try:  # not every version of XLA knows them
        jax.jit(lambda x: x, compiler_options=without_emitters).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return options
    return without_emitters
