"""Interfaces: what the rooms of this library ask of each other, and nothing more.

A training loop asks a learner for two functions,

    init   (key, batch, learning_rate_scale=1) -> State
    step   (State, batch, key)                 -> (State, Metrics)

and owns all else: the number of the step, updates that are not finite, going back, starting again, saving.
What else a learner can do is a protocol of its own. Whoever wants to sample asks whether it is a `Sampler`.

A model is what its program says of one example, and a program draws what is random by name,

    program (model, example, draw)             -> cost, or (cost, info)
    draw    (name, distribution)               -> value

so that nothing in it knows how its randomness will be differentiated (`subitize.gradients`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree, Shaped

from subitize.core.distributions import AbstractDistribution
from subitize.core.optimizer import Optimizer
from subitize.core.typed import Dataclass

EDGES = ("count", "half", "skip")  # rules for what the border of a picture cuts (`models.catalogue.edge`)
State = TypeVar("State")  # of a learner: a pytree of arrays, all that its next step needs
Metrics = Mapping[str, Array]  # whatever is worth a record; nothing in it is mandatory


class Batch(NamedTuple):
    """Examples to learn from.

    Attributes:
        image: brightness from 0 to 1, [batch, height, width, channels]; or codes of pictures, of any shape.
        index: which examples they are: their numbers in a finite set, or in the stream of a drawn dataset.
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


class Inference(NamedTuple):
    """What is seen in one picture; what is seen in several has one more axis in front.

    There may be more steps than objects. Boxes, codes and patches of what is not counted come last.
    """

    count: Int[Array, ""]  # the most probable
    posterior: Float[Array, " counts"]  # q(0) … q(N)
    boxes: Float[Array, "steps 4"]  # x0, y0, x1, y1 in pixels; the first `count` are the objects
    what: Float[Array, "steps what"]
    patches: Float[Array, "steps height width channels"]
    reconstruction: Float[Array, "height width channels"]


class Answer(NamedTuple):
    """How many objects are in one picture of any size, and where.

    Attributes:
        posterior: q(0) … q(N); its most probable count is the answer.
        boxes: x0, y0, x1, y1 of each object in the picture's own pixels, edges.
        scores: how sure it is of each object, from 0 to 1.
        reasons: codes of what speaks against believing it.
        rivals: what other methods count, by their names.
        labels: which pixels are of which object: 0 for ground, i for object i, counted from 1;
            [height, width]. None if only boxes are known.
    """

    posterior: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    reasons: tuple[str, ...] = ()
    rivals: Mapping[str, int] = MappingProxyType({})
    labels: np.ndarray | None = None


class Likelihood(NamedTuple):
    """An estimate of log p(x) of each of some pictures, which says what kind of estimate it is.

    Attributes:
        value: of each picture, in nats, summed over its pixels.
        error: standard error of what all values share, such as log Z, in nats; zero if there is nothing.
        kind: how it was found, such as "iwae, 1,000 samples".
        direction: exact; lower or upper, if its mean is a bound of log p; or stochastic, if it is neither.
    """

    value: Float[Array, " n"]
    error: Float[Array, ""]
    kind: str
    direction: Literal["exact", "lower", "upper", "stochastic"]


@runtime_checkable
class HasLikelihood(Protocol):
    """A learner of pictures of zeros and ones that can estimate their likelihood."""

    def log_likelihood(self, params: PyTree, images: Float[Array, "n ..."], key: PRNGKeyArray) -> Likelihood:
        """Log p of each picture of zeros and ones."""
        ...


@runtime_checkable
class Draw(Protocol):
    """How a program asks for a random value."""

    def __call__(self, name: str, dist: AbstractDistribution, /) -> Array:
        """The value of a site."""
        ...

    def at(self, step: Array | int, /) -> "Draw":
        """Draws for one step of a loop, in which a site has another value at every step."""
        ...


@runtime_checkable
class Program(Protocol):
    """What is to be made small: a function of a model, one example of any kind, and what is drawn."""

    def __call__(self, model: PyTree, example: PyTree, draw: Draw, /) -> Array | tuple[Array, PyTree]:
        """The cost, one real number; or that and something to report."""
        ...


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
class DrawnAhead(Protocol):
    """Examples that are costly to compile, and so are drawn before the steps that see them."""

    def ahead(self, seed: int, numbers: np.ndarray) -> Examples:
        """The same examples, those at these places of the stream drawn already; itself if they are too many.

        Args:
            seed: of the order.
            numbers: consecutive places.
        """
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
        """The state after one more batch, and what to record of it.

        If a metric is not finite, the loop leaves the state as it was. So a learner that can fail in a step
        had better record what shows it, such as the norm of a gradient. A state that is not finite without
        such a sign costs more: the run goes back to its last checkpoint.
        """
        ...


@runtime_checkable
class HasParams(Protocol):
    """A learner that knows what of its state is worth keeping, once it has learned."""

    def init_params(self, key: PRNGKeyArray, batch: Batch) -> PyTree:
        """Weights before the first step."""
        ...

    def params(self, state: PyTree) -> PyTree:
        """The weights in a state, of which `sample` and its like are functions."""
        ...


@runtime_checkable
class Sampler(Protocol):
    """A learner that can make images up."""

    def sample(self, params: PyTree, key: PRNGKeyArray, n: int) -> Float[Array, "n height width channels"]:
        """N images from trained weights."""
        ...


@runtime_checkable
class Inpainter(Protocol):
    """A learner that can complete images of which a part is known."""

    def inpaint(
        self,
        params: PyTree,
        images: Float[Array, "n height width channels"],
        mask: Bool[Array, "*_ height width channels"],
        key: PRNGKeyArray,
    ) -> Float[Array, "n height width channels"]:
        """The images with all that is unknown made up; the mask is True where a pixel is known."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A learner that can say how well trained weights do on examples."""

    def score(self, params: PyTree, batch: Batch, key: PRNGKeyArray) -> Metrics:
        """Means over a batch, such as a bound in nats."""
        ...


@runtime_checkable
class Counter(Protocol):
    """A learner whose weights count what is in a picture."""

    def infer(self, params: PyTree, images: np.ndarray) -> Inference:
        """What is seen in images [n, height, width, channels]."""
        ...

    def for_inference(self, params: PyTree, max_objects: int | None, passes: int) -> PyTree:
        """Weights that take another number of steps, or make more than one pass."""
        ...


@runtime_checkable
class PictureCounter(Protocol):
    """What counts in pictures of any size, which it prepares itself."""

    @property
    def edge(self) -> str:
        """Whether what is cut by the border counts: count, half or skip (`models.catalogue.edge`)."""
        ...

    def answer(self, params: PyTree, pixels: np.ndarray) -> Answer:
        """How many objects are in a picture [height, width, 1 | 3] with brightness from 0 to 1."""
        ...


@runtime_checkable
class Trainable(Dataclass, Protocol):
    """What a name in the registry stands for: a frozen dataclass of all that defines a model's learning.

    Its class may have `defaults`, a mapping of other options of a recipe to what suits this model, and
    `presets`, such mappings by their names.
    """

    def learner(self, data: DataSpec, optimizer: Optimizer, steps: int) -> Learner:
        """The learner of such pictures.

        Args:
            data: their shapes.
            optimizer: how it follows its gradient.
            steps: of the whole training.
        """
        ...


def params_of(learner: Learner, state: PyTree) -> PyTree:
    """What of a learner's state is kept as weights: all of it, unless the learner says otherwise."""
    return learner.params(state) if isinstance(learner, HasParams) else state
