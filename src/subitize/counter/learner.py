"""The learner that counts: an attend, infer, repeat that follows its bound, scenes and sums of ones alike."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from subitize.core.interfaces import Batch, DataSpec, Metrics
from subitize.core.optimizer import Optimizer
from subitize.counter.curriculum import curriculum
from subitize.counter.inference import infer
from subitize.counter.options import AIROptions
from subitize.gradients import expectation
from subitize.gradients.learner import GenerativeLearner
from subitize.models.air import AIR, negative_elbo
from subitize.models.inference import Inference
from subitize.models.sums import CANDIDATES, sum_scene_loss


@dataclass(frozen=True, eq=False, kw_only=True)
class AIRLearner(GenerativeLearner):
    """A generative learner whose weights, an `AIR`, count what is in a picture."""

    def infer(self, params: AIR, images: np.ndarray) -> Inference:
        """What is seen in images [n, height, width, channels]."""
        return infer(params, images)

    def for_inference(self, params: AIR, max_objects: int | None, passes: int) -> AIR:
        """The model, taking up to another number of steps, or looking more than once."""
        return params.for_inference(max_objects, passes)

    def score(self, params: AIR, batch: Batch, key: PRNGKeyArray) -> Metrics:
        """The bound and its parts, the count summed out, averaged over a batch."""
        loss = expectation(negative_elbo, "exact")
        estimator_state = loss.init(params, batch.image[0], key)
        value, parts = loss(params, estimator_state, batch.image, key)
        return {"loss": value} | jax.tree.map(lambda x: x.mean(0), parts)


def air_learner(options: AIROptions, data: DataSpec, optimizer: Optimizer, steps: int) -> AIRLearner:
    """The learner of options with nothing left to derive.

    Raises:
        UsageError: there is no such estimator or objective.
    """
    settings, transform = options.settings(data), curriculum(options)
    return AIRLearner(
        build=lambda key, batch: AIR(settings, key=key),
        loss=expectation(sum_scene_loss, {"count": options.estimator}, options.objective),
        optimizer=optimizer.transformation(steps),
        learning_rate=optimizer.learning_rate,
        draw_image=scene_of_any_count,
        transform=transform,
    )


def scene_of_any_count(model: AIR, key: PRNGKeyArray) -> Array:
    """A scene, every count as likely: the prior of training is strict, and would draw next to nothing."""
    return model.sample_prior(key, jnp.zeros(model.settings.max_objects + 1))[0]


def check_estimator(options: AIROptions, data: DataSpec) -> None:
    """Raise SiteError before training, by an abstract trace, if the estimator cannot serve the count."""
    settings, transform = options.settings(data), curriculum(options)
    loss = expectation(sum_scene_loss, {"count": options.estimator}, options.objective)

    def first(key: PRNGKeyArray) -> None:
        images = jnp.zeros((CANDIDATES, settings.height, settings.width, settings.channels))
        batch = Batch(images, jnp.arange(CANDIDATES))
        examples = transform.examples(transform.init(batch), batch, jnp.zeros((), jnp.int32), key)
        loss.sites(AIR(settings, key=key), jax.tree.map(lambda x: x[0], examples))

    jax.eval_shape(first, jax.random.key(0))
