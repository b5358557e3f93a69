"""The learner that counts at a glance, and what a trained one knows against itself."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float
from scipy.special import bdtrc

from subitize.core.json import JSON
from subitize.core.optimizer import Optimizer
from subitize.core.threads import in_order
from subitize.counter.catalogue import CatalogueOptions
from subitize.counter.catalogue_answer import boxes_of, outlines
from subitize.counter.composed_scenes import FEW, ComposedScenes
from subitize.counter.picture_counter import AbstractPictureCounter, Found
from subitize.gradients import expectation
from subitize.gradients.learner import LABELLED, GradientLearner
from subitize.models.catalogue.detect import Detected, detect
from subitize.models.catalogue.edge import are_slivers, numbered
from subitize.models.catalogue.normalize import DIAMETER, Normalizer
from subitize.models.catalogue.posterior import Posterior, negative_log_likelihood
from subitize.models.catalogue.shapes import ALIKE, MIXED

WRONG, CHANCE = 0.05, 0.05  # share of lone objects that a run may count twice or miss, and level of the test
NEAR = 0.5  # diameters: a centre so near is that of the lone object


@dataclass(frozen=True, eq=False, kw_only=True)
class CatalogueLearner(GradientLearner, AbstractPictureCounter):
    """A gradient learner whose weights, a `Posterior`, count what is in pictures of any size."""

    def find(self, params: Posterior, pixels: np.ndarray) -> Found:
        """What the samples of the posterior name in a normalized picture, with what belongs to each."""
        detected, labels = objects_in(params, pixels)
        return Found(detected.named, boxes_of(labels, detected.centres), labels, detected.counts)


def objects_in(params: Posterior, pixels: np.ndarray) -> tuple[Detected, np.ndarray]:
    """The objects of a normalized picture, without slivers, and which pixels are of which."""
    centres, named, counts = detect(params, pixels)
    labels = outlines(pixels, centres)
    shows = ~are_slivers(labels, centres)
    return Detected(centres[shows], named[shows], counts), numbered(labels, shows)


def catalogue_learner(options: CatalogueOptions, optimizer: Optimizer, steps: int) -> CatalogueLearner:
    """The learner of options with nothing left to derive."""
    assert options.diameter is not None, "a training derives what its options leave open"
    assert options.brightness is not None, "a training derives what its options leave open"
    return CatalogueLearner(
        build=lambda key, batch: Posterior(key=key),
        loss=expectation(program),
        optimizer=optimizer.transformation(steps),
        learning_rate=optimizer.learning_rate,
        transform=LABELLED,
        normalizer=Normalizer(options.diameter, options.ground == "bright", options.brightness),
        channel=options.channel or "grey",
        light=options.light or "covers",
    )


def program(
    posterior: Posterior, example: tuple[Float[Array, "height width 1"], Array], draw: object
) -> Float[Array, ""]:
    """-log q(catalogue | picture) of a composed scene, in nats: nothing in it is drawn."""
    image, labels = example
    return negative_log_likelihood(posterior, image[..., 0], labels)


def diagnosis(params: Posterior, scenes: ComposedScenes) -> JSON:
    """What speaks for and against a trained model: lone objects that it counts twice, or misses."""
    harvest = scenes.harvest

    def names(number: int) -> np.ndarray:
        """How often the lone objects of a picture are named."""
        lone = np.array([each.centre for each in harvest.objects if each.picture == number])
        detected, _ = objects_in(params, harvest.pictures[number])
        gaps = np.linalg.norm(lone[:, None] - detected.centres, axis=-1)
        return (gaps < NEAR * DIAMETER).sum(1)

    named = np.concatenate(list(in_order(names, sorted({each.picture for each in harvest.objects}))))
    doubled, missed = float((named > 1).mean()), float((named == 0).mean())
    shapes = harvest.shapes
    signs = {
        "run_failed": too_many(int((named != 1).sum()), len(named)),
        "few_examples": len(named) < FEW,
        "shapes_differ": shapes.alike < ALIKE,
        "sizes_differ": shapes.other_size > MIXED,
    }
    found = {"lone_objects": len(named), "doubled": doubled, "missed": missed}
    found |= {"alike": shapes.alike, "other_size": shapes.other_size}
    return found | {"flags": [code for code, speaks in signs.items() if speaks]}


def too_many(wrong: int, number: int) -> bool:
    """Whether so many of a number of lone objects are hardly wrong by chance, if `WRONG` of all are."""
    return bool(wrong > 0 and bdtrc(wrong - 1, number, WRONG) < CHANCE)  # P(as many, or more)
