"""Interfaces: what the rooms of this library ask of each other, and nothing more.

A training loop asks a learner for two functions,

    init   (key, batch, learning_rate_scale=1) -> State
    step   (State, batch, key)                 -> (State, Metrics)

and owns all else: the number of the step, updates that are not finite, going back, starting again, saving.
What else a learner can do is a protocol of its own. Whoever wants to sample asks whether it is a `Sampler`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

State = TypeVar("State")  # of a learner: a pytree of arrays, all that its next step needs
Metrics = Mapping[str, Array]  # whatever is worth a record; nothing in it is mandatory


class Batch(NamedTuple):
    """Examples to learn from.

    Attributes:
        image: brightness from 0 to 1, [batch, height, width, channels]; or codes of pictures, of any shape.
        index: which examples they are: their numbers in a finite set, or in the stream of a drawn world.
        labels: what is true of them; None for a learner that may not see it, and where nobody knows.
    """

    image: Float[Array, "batch ..."]
    index: Int[Array, " batch"]
    labels: Shaped[Array, "batch ..."] | None = None


class DataSpec(NamedTuple):
    """All that a model may know of its pictures before it sees one.

    Attributes:
        height, width: in pixels.
        channels: 1 for grey, 3 for colour.
        size: how many examples there are; None if they are drawn and never end.
        classes: how many values labels have; None if nobody knows the labels.
    """

    height: int
    width: int
    channels: int
    size: int | None = None
    classes: int | None = None


@runtime_checkable
class Examples(Protocol):
    """Where a training finds its examples: a pytree, whose methods are pure."""

    def indices(
        self, seed: int | Int[Array, ""], numbers: Int[Array, " batch"], *, replace: bool = True
    ) -> Int[Array, " batch"]:
        """Which examples are at these consecutive places of the stream.

        Args:
            seed: of the order.
            numbers: the places, from 0.
            replace: whether examples of a finite set are drawn with replacement, or in epochs.
        """
        ...

    def examples(self, seed: int | Int[Array, ""], indices: Int[Array, " batch"]) -> Batch:
        """Examples by their numbers, as `indices` gives them, with their labels where known."""
        ...


@runtime_checkable
class Learner(Protocol[State]):
    """Anything that can be trained. Both functions must be pure: they are compiled."""

    def init(self, key: PRNGKeyArray, batch: Batch, *, learning_rate_scale: float | Array = 1.0) -> State:
        """The state before the first step.

        Args:
            key: of all that is random in it.
            batch: the first one, for its shapes.
            learning_rate_scale: factor on the usual learning rate, below one when a run starts again.
        """
        ...

    def step(self, state: State, batch: Batch, key: PRNGKeyArray) -> tuple[State, Metrics]:
        """The state after one more batch, and what to record of it."""
        ...


@runtime_checkable
class HasParams(Protocol):
    """A learner that knows what of its state is worth keeping, once it has learned."""

    def init_params(self, key: PRNGKeyArray, batch: Batch) -> Any:
        """Weights before the first step."""
        ...

    def params(self, state: Any) -> Any:
        """The weights in a state, of which `sample` and its like are functions."""
        ...


@runtime_checkable
class Sampler(Protocol):
    """A learner that can make images up."""

    def sample(self, params: Any, key: PRNGKeyArray, n: int) -> Float[Array, "n height width channels"]:
        """N images from trained weights."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A learner that can say how well trained weights do on examples."""

    def score(self, params: Any, batch: Batch, key: PRNGKeyArray) -> Metrics:
        """Means over a batch, such as a bound in nats."""
        ...


@runtime_checkable
class Counter(Protocol):
    """A learner whose weights count what is in a picture."""

    def look(self, params: Any, images: np.ndarray) -> Any:
        """What is seen in images [n, height, width, channels]: a `subitize.models.look.Look`."""
        ...

    def extended(self, params: Any, max_objects: int | None, looks: int) -> Any:
        """Weights that take another number of steps, or look more than once."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """What a name in the registry stands for: a frozen dataclass of all that defines a model's learning.

    Its class may have `defaults`, a mapping of other options of a recipe to what suits this model.
    """

    def learner(self, data: DataSpec, optimizer: Any, steps: int) -> Learner:
        """The learner of such pictures.

        Args:
            data: their shapes.
            optimizer: `subitize.core.optimizer.Optimizer`.
            steps: of the whole training.
        """
        ...


@runtime_checkable
class Derives(Protocol):
    """Settings of which some follow from the pictures."""

    def derived(self, data: Any, scenes: Any, seed: int, watch: Callable[[dict], None]) -> tuple[Any, dict]:
        """(settings with nothing left to derive, reasons for the provenance)."""
        ...


@runtime_checkable
class Monitored(Protocol):
    """Settings that know what to watch along their training."""

    def monitor(self, learner: Any, recipe: Any, scenes: Any, held_out: Any) -> Callable[[Any, int], dict]:
        """(state, step) -> what to add to a record; see `subitize.training.fit`."""
        ...


@runtime_checkable
class Diagnosed(Protocol):
    """Settings that can say what speaks against a trained model, by the pictures it learned from."""

    def diagnosed(self, params: Any, recipe: Any, scenes: Any) -> dict[str, Any]:
        """What is kept with the weights; "flags" are codes of what speaks against all that it says."""
        ...


def params_of(learner: Any, state: Any) -> Any:
    """What of a learner's state is kept as weights: all of it, unless the learner says otherwise."""
    return learner.params(state) if isinstance(learner, HasParams) else state
