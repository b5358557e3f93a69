"""How good are the pictures that a model makes up? Numbers that need no likelihood.

Samples and held-out pictures are made black and white at one half, so that neither grey edges nor the noise
of drawn pixels decides. Most numbers are of features of a small network (`subitize.evaluation.features`):

    fd           Fréchet distance of the Gaussians that fit the features of both (Heusel et al. 2017), here of
                 128 features, whose mean variance over held-out pictures is one: "FD-128", which compares
                 with no number of an Inception network
    density      how many held-out pictures a sample is near, over what is expected: 1 is ideal; and
    coverage     share of held-out pictures that have a sample near, nearer than their own fifth neighbour
                 (Naeem, Oh, Uh, Choi and Yoo 2020, "Reliable fidelity and diversity metrics")
    classes      how many classes are drawn at least a tenth as often as they are held out
    two_sample   how often the nearest of all other pictures tells samples from held-out ones: ½ is ideal
                 (Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests")
    memorised    how often a sample is nearer to its nearest training picture than a held-out picture is to
                 its own, by pixels: ½ is ideal, 1 is a copy
    duplicates   share of samples of which another one is an exact copy

All depend on how many pictures there are, `samples_n`. The fewer, the larger the distance.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, PyTree
from scipy.stats import mannwhitneyu
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from subitize.core.interfaces import Sampler, Scorer
from subitize.core.json import JSON
from subitize.evaluation.features import features, folder_of
from subitize.evaluation.held_out import scores
from subitize.scenes.single_images import BinarizedImages, GreyImages
from subitize.training.run import Run

NEIGHBOURS = 5  # the radius of a held-out picture is the distance to so manieth other
DRAWN = 0.1  # of its share among held-out pictures, from where a class counts as drawn
AT_ONCE = 500  # samples drawn at a time

Pictures = Bool[np.ndarray, "_ height width channels"]
Vectors = Float[np.ndarray, "_ d"]


def generative_scores(run: Run, n: int, samples_n: int, seed: int = 0) -> JSON:
    """All that is known of a generative run: `scores` of held-out examples, and the quality of its samples.

    Args:
        run: from `open_run`.
        n: held-out examples.
        samples_n: samples; 0 for none.
        seed: of both.

    Raises:
        UsageError: it has neither.
    """
    drawn = sample_quality(run, samples_n, seed) if samples_n else {}
    return (scores(run, n, seed) if isinstance(run.learner, Scorer) or not drawn else {}) | drawn


def sample_quality(run: Run, n: int = 2000, seed: int = 0) -> JSON:
    """The numbers above, of n samples of a run against n held-out pictures; nothing if there are no such.

    Args:
        run: of a model of single pictures.
        n: how many; at most as many as are held out.
        seed: of the samples.
    """
    held_out = comparable(run)
    if held_out is None or not isinstance(run.learner, Sampler):
        return {}
    n = min(n, len(held_out.pictures))
    return quality(drawn(run.learner, run.model, n, seed), held_out.of, n, seed)


def comparable(run: Run) -> GreyImages | BinarizedImages | None:
    """Held-out pictures beside which samples of a run can be laid; None if it is of no single digits."""
    held_out = run.scenes("test")
    single = isinstance(held_out, GreyImages | BinarizedImages)
    return held_out if single and held_out.spec.classes is not None else None


def unready(run: Run) -> str | None:
    """Why judging samples of a run takes longer the first time; None if it does not."""
    held_out = comparable(run) if isinstance(run.learner, Sampler) else None
    if held_out is None or folder_of(held_out.of).exists():
        return None
    return "trains a network that tells digits apart, to judge samples by; this takes a minute, once."


def quality(samples: Pictures, of: str, n: int, seed: int = 0) -> JSON:
    """The numbers above, of samples against n held-out pictures of a dataset, drawn without replacement.

    Args:
        samples: True where a pixel is lit.
        of: the dataset, such as "mnist".
        n: how many held-out pictures.
        seed: which ones.
    """
    train, test = (lit(GreyImages(split, of=of)) for split in ("train", "test"))
    test = test[np.random.default_rng(seed).permutation(len(test))[:n]]  # MNIST's first half is the easier
    real, fake = features(test, of), features(samples, of)
    shares = np.bincount(fake.probabilities.argmax(1), minlength=fake.probabilities.shape[1]) / len(samples)
    expected = np.bincount(real.probabilities.argmax(1), minlength=len(shares)) / n
    density, coverage = density_and_coverage(real.vectors, fake.vectors)
    return {
        "fd": frechet_distance(real.vectors, fake.vectors) / float(real.vectors.var(0).mean()),
        "density": density,
        "coverage": coverage,
        "classes": int((shares >= DRAWN * expected).sum()),
        "class_shares": shares.tolist(),
        "two_sample": two_sample_accuracy(real.vectors, fake.vectors),
        "memorised": memorised(samples, test, train),
        "duplicates": duplicates(samples),
        "samples_n": len(samples),
    }


def lit(images: GreyImages) -> Pictures:
    """Pictures in black and white."""
    return np.asarray(images.pictures) > 127


def drawn(learner: Sampler, params: PyTree, n: int, seed: int) -> Pictures:
    """Samples of trained weights in black and white, drawn a few at a time."""
    sample, size = jax.jit(learner.sample, static_argnums=2), min(n, AT_ONCE)
    keys = jax.random.split(jax.random.key(seed), -(-n // size))
    return np.concatenate([np.asarray(sample(params, key, size) > 0.5) for key in keys])[:n]


def frechet_distance(x: Vectors, y: Vectors) -> float:
    """|μ_x - μ_y|² + tr(Σ_x + Σ_y - 2 (Σ_x Σ_y)^½) of the Gaussians that fit two sets of vectors."""
    x, y = x.astype(float), y.astype(float)
    cov_x, cov_y = np.cov(x.T), np.cov(y.T)
    values, vectors = np.linalg.eigh(cov_x)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # The eigenvalues of Σ_x Σ_y are those of the symmetric Σ_x^½ Σ_y Σ_x^½.
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_y @ root).clip(0)).sum()
    shift = ((x.mean(0) - y.mean(0)) ** 2).sum()
    return float(shift + np.trace(cov_x) + np.trace(cov_y) - 2 * cross)


def density_and_coverage(real: Vectors, fake: Vectors, k: int = NEIGHBOURS) -> tuple[float, float]:
    """How near samples lie to real vectors, and which share of these has a sample near."""
    radii = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(real).kneighbors(real)[0][:, k]
    near = np.zeros(len(real), int)  # samples within the radius of each real vector
    start = 0
    for distances in pairwise_distances_chunked(real, fake):
        rows = slice(start, start + len(distances))
        near[rows] = (distances < radii[rows, None]).sum(1)
        start = rows.stop
    return float(near.sum() / (k * len(fake))), float((near > 0).mean())


def two_sample_accuracy(real: Vectors, fake: Vectors) -> float:
    """How often the nearest other vector is of the same set; leave one out."""
    both = np.concatenate([real, fake])
    is_real = np.arange(len(both)) < len(real)
    nearest = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(both).kneighbors(both)[1][:, 1]
    return float((is_real[nearest] == is_real).mean())


def memorised(samples: Pictures, test: Pictures, train: Pictures) -> float:
    """P(a sample is nearer to the training pictures than a held-out picture), ties counted half."""
    near_samples, near_test = (pixels_to_nearest(each, train) for each in (samples, test))
    further = mannwhitneyu(near_samples, near_test).statistic / (len(samples) * len(test))
    return float(1 - further)


def pixels_to_nearest(pictures: Pictures, train: Pictures) -> Float[np.ndarray, " n"]:
    """In how many pixels each picture differs from the nearest training picture."""
    x, y = (jnp.asarray(part.reshape(len(part), -1), jnp.float32) for part in (pictures, train))
    lit_in_train = y.sum(1)
    rows = [x[i : i + AT_ONCE] for i in range(0, len(x), AT_ONCE)]
    return np.concatenate([nearest_of(row, y, lit_in_train) for row in rows])


@jax.jit
def nearest_of(x: jax.Array, y: jax.Array, lit_in_y: jax.Array) -> jax.Array:
    """Pixels in which each of x differs from the nearest of y: |x| + |y| - 2 x·y."""
    return (x.sum(1) + (lit_in_y - 2 * x @ y.T).min(1)).round()


def duplicates(samples: Pictures) -> float:
    """Share of samples that another sample equals."""
    _, which, times = np.unique(
        samples.reshape(len(samples), -1), axis=0, return_inverse=True, return_counts=True
    )
    return float((times[which.ravel()] > 1).mean())
