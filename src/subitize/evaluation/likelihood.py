"""How likely are held-out pictures? In nats, with what kind of number it is."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.interfaces import HasLikelihood, Likelihood
from subitize.core.json import JSON

GREY = "not measured: it is one of black and white pixels, and these are grey; bits(dynamic=True) has such"


def negative_log_likelihood(
    learner: HasLikelihood, params: PyTree, images: Float[np.ndarray, "n ..."], key: PRNGKeyArray
) -> JSON:
    """Mean of -log p over pictures of zeros and ones, in nats, its standard error, and its kind.

    The direction is that of -log p: a lower bound of log p is an upper bound here.
    It is None of grey pictures, whose density is another matter.
    """
    if not np.isin(images, (0, 1)).all():
        return {"nll": None, "nll_error": None, "nll_kind": GREY, "nll_direction": None}
    kinds = {}

    def values(params: PyTree, images: Array, key: PRNGKeyArray) -> tuple[Array, Array]:
        found: Likelihood = learner.log_likelihood(params, images, key)
        kinds.update(kind=found.kind, direction=found.direction)
        return found.value, found.error

    value, error = jax.jit(values)(params, jnp.asarray(images), key)
    spread = np.std(np.asarray(value)) / np.sqrt(len(images))
    turned = {"lower": "upper", "upper": "lower"}
    return {
        "nll": -float(np.mean(np.asarray(value))),
        "nll_error": float(np.hypot(spread, error)),
        "nll_kind": kinds["kind"],
        "nll_direction": turned.get(kinds["direction"], kinds["direction"]),
    }


def likelihood_in_words(found: JSON) -> tuple[str, JSON]:
    """What `negative_log_likelihood` found as a line for people, empty if it was not asked; and all else."""
    if "nll" not in found:
        return "", found
    if found["nll"] is None:
        return f"-log p {found['nll_kind']}", rest_of(found)
    value, error, kind, direction = (found[f"nll{end}"] for end in ("", "_error", "_kind", "_direction"))
    bound = direction if direction in ("exact", "stochastic") else f"{direction} bound"
    return f"-log p {value:.2f} ± {error:.2f} nats ({bound}; {kind})", rest_of(found)


def rest_of(found: JSON) -> JSON:
    """All numbers but those of the likelihood."""
    return {name: value for name, value in found.items() if not name.startswith("nll")}
