"""The benchmark on which the papers compared: a belief network of two layers of 200 coins on binarised MNIST.

    anchor    REBAR's training bound after each of its first four epochs, against what its authors logged
    variance  gradient variance of REBAR, MuProp and NVIL, and of `delta`, MuProp without its baseline, on one
              trajectory, in the first two epochs of Omniglot, where their authors logged them, and of MNIST
    race      the bound of every estimator after equal time

Set up after Tucker et al. (2017): batches of 24, one sample, Adam with β₂ = 0.99999, learning rate 3e-4, ten
times that for control variates, weights of variance 2/inputs. Theirs has besides a coefficient for each
tensor, learned baselines instead of running means, the model's β₂ for its control variates, another
relaxation, and other bits in its digits.

Their variances, in the README of REBAR's code, are on a trajectory that MuProp without its linear term leads;
`rebar` is there the one that learns its temperature, and the squared mean that is subtracted that of all
estimators together. Theirs are of 23,000 drawings of Omniglot, here there are 3,630, seen more often in as
many steps.

In the race `auto` pays for its measuring, compilation included; the others' compilation is free. A racer runs
on one core and its time is that core's, so that it does not pay for what else the machine does, except that
caches are shared; several processes may race into one result, each on its own core.

    python benchmarks/belief_nets.py --part race --minutes 4 --seeds 3 --core 0
"""

import math
import operator
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from common import arguments, black_and_white, measure_missing, picture_path, publish
from subitize.core.interfaces import Batch
from subitize.figures.curves import Line, Panel, grid
from subitize.figures.style import ACCENT, QUIET
from subitize.gradients import ESTIMATORS, Chooser, caption, estimator_optimizer, expectation
from subitize.gradients.learner import ESTIMATOR_LR_FACTOR, GenerativeLearner, view_of_images
from subitize.models.sbn import SBN, negative_concrete_elbo, negative_mean_elbo
from subitize.scenes import BinarizedImages
from subitize.training.chunk import Sampling, first_state, run_chunk

LOGGED = (-231.03, -156.87, -143.47, -137.65)  # REBAR's README: training bound after 1 … 4 epochs
EPOCHS = {"omniglot": 959, "mnist": 2084}  # steps of one there: batches in 23,000 drawings, 50,000 digits
BATCH, LAYERS, RATE = 24, (200, 200), 3e-4
EPOCHS_OF_DIGITS = Sampling(BATCH, replace=False, labels=False)
LOOKED_AT = 2000  # digits by which the bound is followed
SHOWN_BOUNDS = (-180.0, -100.0)  # nats
DECAY = 0.999  # of moving averages of gradients
LOGGED_VARIANCES = [  # REBAR's README: logarithms of means over each of the first two epochs
    {"pictures": "omniglot, as logged", "epoch": 1, "nvil": 2.764, "muprop": -0.034, "rebar": -3.725},
    {"pictures": "omniglot, as logged", "epoch": 2, "nvil": 2.267, "muprop": -0.718, "rebar": -3.864},
]
FOLLOWED = ("nvil", "delta", "muprop", "rebar")
GAPS = (("nvil", "muprop"), ("muprop", "rebar"), ("delta", "rebar"))
SLOW = (
    "exact",
    "sum_sample",
    "unordered",
    "local",
    "mvd",
    "pathwise",
    "arsm",
)  # too many values or coins, or not for coins
RACED = tuple(word for word in ESTIMATORS if word not in SLOW)


def main() -> None:
    """Run one part."""
    args = arguments(__doc__, part="race", minutes=4.0, seeds=3, first_seed=0, estimators="", core=0)
    if args.part == "race" and not args.tiny:
        os.sched_setaffinity(0, {args.core})  # before the first computation makes its threads
    parts = {"anchor": anchor, "variance": variance, "race": race}
    parts[args.part](args, (8, 8) if args.tiny else LAYERS)


def bits_of(args, name: str) -> dict[str, jax.Array]:
    """Training and test pictures [pictures, 784], zeros and ones."""
    return jax.tree.map(jnp.asarray, black_and_white(name, tiny=args.tiny))


def dataset_of(args, name: str = "mnist") -> BinarizedImages:
    """Training pictures as a dataset to learn from; in a rehearsal the bundled digits."""
    return BinarizedImages("train", of="digits" if args.tiny else name)


def seeds_of(args) -> range:
    """The seeds asked for; in a rehearsal one."""
    return range(args.first_seed, args.first_seed + (1 if args.tiny else args.seeds))


class Descent:
    """One network under training by one policy, on digits in epochs."""

    def __init__(
        self, policy: Any, dataset: BinarizedImages, layers: tuple[int, ...], seed: int, state: Any = None
    ):
        concrete = policy == "concrete"
        self.loss = expectation(negative_concrete_elbo, None) if concrete else objective_for(policy)
        self.dataset, self.seed, self.digits = dataset, seed, dataset.vectors()
        means = self.digits.mean(0, dtype=jnp.float32)
        self.learner = GenerativeLearner(
            build=lambda key, batch: SBN(means, layers, key=key),
            loss=self.loss,
            optimizer=optax.adam(RATE, b2=0.99999),
            learning_rate=RATE,
            draw_image=lambda model, key: model.sample_prior(key),
            transform=view_of_images(lambda images: images.reshape(len(images), -1)),
        )
        self.state = first_state(self.learner, EPOCHS_OF_DIGITS, dataset, seed, 0)
        if state is not None:  # go on from another policy's: its state fits only its own
            before = state.learner
            same = {"step": before.step, "model": before.model, "optimizer": before.optimizer}
            self.state = self.state._replace(step=state.step, learner=self.state.learner._replace(**same))

    @property
    def model(self) -> SBN:
        """The network as it is now."""
        return self.state.learner.model

    def run(self, steps: int) -> float:
        """The mean loss of so many further steps."""
        arguments = self.learner, EPOCHS_OF_DIGITS, steps, self.dataset, self.seed, 0, self.state
        self.state, metrics = run_chunk(*arguments)
        return float(metrics["loss"])

    def evaluations(self) -> int:
        """Runs of the program per example."""
        return self.loss.evaluations(self.model, self.state.learner.estimator_state, self.examples(1)[0])

    def examples(self, n: int) -> jax.Array:
        """The first n digits."""
        return self.digits[:n].astype(jnp.float32)


def objective_for(policy: Any) -> Any:
    """The loss of the belief network under a policy; VIMCO gets two particles under the mean objective."""
    particles = "mean(k=2)" if isinstance(policy, str) and policy.startswith("vimco") else "mean"
    return expectation(negative_mean_elbo, policy, particles)


def anchor(args, layers) -> None:
    """REBAR's training bound, epoch by epoch, for each seed."""
    runs, data, epoch = [], dataset_of(args), 10 if args.tiny else EPOCHS["mnist"]
    for seed in seeds_of(args):
        descent = Descent("rebar", data, layers, seed)
        bounds = [-descent.run(epoch) for _ in LOGGED]
        runs.append({"seed": seed} | {f"step_{(i + 1) * epoch}": b for i, b in enumerate(bounds)})
        mean = [float(np.mean([run[f"step_{(i + 1) * epoch}"] for run in runs])) for i in range(len(LOGGED))]
        summary = {
            f"step_{(i + 1) * epoch}": {"logged": logged, "here": mean[i], "difference": mean[i] - logged}
            for i, logged in enumerate(LOGGED)
        }
        publish(args.out, "belief_net_anchor", summary, runs)


def variance(args, layers) -> None:
    """Variances along MuProp's trajectory, epoch by epoch."""
    runs = []
    for pictures, epoch in list(EPOCHS.items())[: 1 if args.tiny else None]:
        dataset, steps = dataset_of(args, pictures), 10 if args.tiny else epoch
        followers = Followers(dataset.vectors().mean(0, dtype=jnp.float32), layers)
        for seed in seeds_of(args):
            state = first_state(followers, EPOCHS_OF_DIGITS, dataset, seed, 0)
            for number in (1, 2):
                state, found = run_chunk(followers, EPOCHS_OF_DIGITS, steps, dataset, seed, 0, state)
                logs = {word: math.log(float(variance)) for word, variance in found.items()}
                runs.append({"pictures": pictures, "seed": seed, "epoch": number} | logs)
            publish(args.out, "belief_net_variance", compared(runs), runs)


def compared(runs: list[dict]) -> dict[str, Any]:
    """Log-variances and their differences: each seed's, beside what was logged."""
    rows = [*LOGGED_VARIANCES, *runs]
    kinds = dict.fromkeys((row["pictures"], row["epoch"]) for row in rows)

    def columns(words: tuple[str, ...], value: Callable[..., float]) -> dict[str, list]:
        """One for each epoch of each kind of pictures."""
        table: dict[str, list] = {f"{pictures}, epoch {epoch}": [] for pictures, epoch in kinds}
        for row in rows:
            known = all(word in row for word in words)
            found = value(*(row[word] for word in words)) if known else "unknown"
            table[f"{row['pictures']}, epoch {row['epoch']}"].append(found)
        return table

    return {
        "log-variance": {word: columns((word,), float) for word in FOLLOWED},
        "difference": {f"{a} - {b}": columns((a, b), operator.sub) for a, b in GAPS},
    }


class Followed(NamedTuple):
    """State of `Followers`: one network, and for each estimator its state and its gradient's moments."""

    step: jax.Array
    model: SBN
    optimizer: Any
    states: dict[str, Any]  # of each estimator, with the state of their optimizer
    moments: dict[str, tuple[jax.Array, jax.Array]]


class Followers:
    """Estimators that watch one network's training: MuProp leads it, each learns from its own gradients.

    A parameter's variance is E[g²] - E[g]², both moving averages along the training; an estimator's is the
    mean over all parameters.
    """

    def __init__(self, means: jax.Array, layers: tuple[int, ...]):
        self.build = lambda key: SBN(means, layers, key=key)
        self.losses = {word: objective_for(word) for word in FOLLOWED}
        self.optimizer = optax.adam(RATE, b2=0.99999)
        self.estimator_optimizer = estimator_optimizer(ESTIMATOR_LR_FACTOR * RATE)

    def init(self, key: jax.Array, batch: Batch, *, learning_rate_scale: float | jax.Array = 1.0) -> Followed:
        """Before the first step; the learning rate is Tucker's, whatever the scale."""
        model, first = self.build(key), vectors_of(batch)[0]
        states = {word: loss.init(model, first, key) for word, loss in self.losses.items()}
        taught = {
            word: (estimator_state, self.estimator_optimizer.init(estimator_state))
            for word, estimator_state in states.items()
        }
        nothing = jnp.zeros(ravel_pytree(model)[0].size)
        moments = dict.fromkeys(self.losses, (nothing, nothing))
        return Followed(jnp.zeros((), jnp.int32), model, self.optimizer.init(model), taught, moments)

    def step(self, state: Followed, batch: Batch, key: jax.Array) -> tuple[Followed, dict[str, jax.Array]]:
        """One step of all; the metrics are each estimator's variance."""
        images, step = vectors_of(batch), state.step + 1
        learned = {
            word: self._learn(word, state.model, *state.states[word], images, key) for word in self.losses
        }
        change, optimizer = self.optimizer.update(learned["muprop"][0], state.optimizer, state.model)
        states = {word: estimator_state for word, (_, estimator_state) in learned.items()}
        moments = {
            word: followed(state.moments[word], ravel_pytree(g)[0]) for word, (g, _) in learned.items()
        }
        model = optax.apply_updates(state.model, change)
        variances = {word: spread(*both, step) for word, both in moments.items()}
        return Followed(step, model, optimizer, states, moments), variances

    def _learn(self, word, model, estimator_state, optimizer_state, images, key):
        """One estimator's gradient in the model, and its state after it was updated."""
        value = lambda model, estimator_state: self.losses[word](model, estimator_state, images, key)[0]  # noqa: E731
        gradient, update = jax.grad(value, argnums=(0, 1))(model, estimator_state)
        change, optimizer_state = self.estimator_optimizer.update(update, optimizer_state, estimator_state)
        return gradient, (optax.apply_updates(estimator_state, change), optimizer_state)


def vectors_of(batch: Batch) -> jax.Array:
    """The images of a batch as vectors."""
    return batch.image.reshape(len(batch.image), -1)


def followed(moments: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Moving averages of a gradient and of its square, one step on."""
    mean, square = moments
    return DECAY * mean + (1 - DECAY) * gradient, DECAY * square + (1 - DECAY) * gradient**2


def spread(mean: jax.Array, square: jax.Array, steps: jax.Array) -> jax.Array:
    """The mean variance of parameters, from moving averages that began at zero so many steps ago."""
    weight = 1 - DECAY**steps  # of what was seen
    return jnp.mean(square / weight - (mean / weight) ** 2)


def race(args, layers) -> None:
    """Equal time for all; runs that the result holds already are not run again."""
    data = dataset_of(args), bits_of(args, "mnist")
    words = args.estimators.split(",") if args.estimators else [*RACED, "concrete", "auto"]
    seconds = 0.5 if args.tiny else 60 * args.minutes
    words = words[:1] if args.tiny and not args.estimators else words
    wanted = [{"estimator": w, "seed": seed, "seconds": seconds} for seed in seeds_of(args) for w in words]

    def publish(runs: list[dict]) -> dict:
        draw_race(args.out, f"{seconds / 60:g}", [run for run in runs if run["seconds"] == seconds])
        return ranking(runs)

    measure = partial(raced, *data, layers, 5 if args.tiny else 100)
    measure_missing(args.out, "belief_net_race", wanted, measure, publish)


def raced(dataset, data, layers, chunk: int, *, estimator: str, seed: int, seconds: float) -> dict[str, Any]:
    """One run of so many seconds of its core; looking at the bound is free, and compiling, not choosing."""
    chooser = Chooser(negative_mean_elbo, candidates=RACED, draws=32)
    descent = Descent("score" if estimator == "auto" else estimator, dataset, layers, seed)
    compiled, curve, spent, evaluations = None, [], 0.0, 0
    while spent < seconds:
        if estimator == "auto" and chooser.due(step := int(descent.state.step)):
            began, measured = time.process_time(), chooser.profiler.evaluations()
            if chooser.choose(step, descent.model, descent.examples(BATCH), jr.fold_in(jr.key(seed), step)):
                descent = Descent(chooser.policy, dataset, layers, seed, descent.state)
            spent += time.process_time() - began
            evaluations += chooser.profiler.evaluations() - measured
        if compiled is not descent:
            kept = descent.state
            descent.run(chunk)  # compiles
            descent.state, compiled = kept, descent
        began = time.process_time()
        descent.run(chunk)
        spent += time.process_time() - began
        evaluations += chunk * descent.evaluations()
        if not curve or spent - curve[-1]["seconds"] >= seconds / 12 or spent >= seconds:
            at = {"seconds": spent, "steps": int(descent.state.step), "evaluations": evaluations}
            curve.append(at | bounds_of(descent.model, data, seed))
    last = {k: v for k, v in curve[-1].items() if k != "seconds"}
    chosen = [{"step": step} | reasons for step, reasons in chooser.history]
    return last | {"curve": curve, "chosen": chosen}


def bounds_of(model: SBN, data, seed: int) -> dict[str, float]:
    """The discrete bound on training and test digits, in nats, whatever was trained."""
    return {f"{split}_bound": elbo(model, digits[:LOOKED_AT], seed) for split, digits in data.items()}


@jax.jit
def total_cost(model: SBN, batch, key):
    """One-sample cost of each image."""
    loss = expectation(negative_mean_elbo, "score")
    return loss(model, loss.init(model, batch[0], key), batch, key)[0]


def elbo(model: SBN, digits, seed: int) -> float:
    """Mean bound over some digits."""
    return -float(total_cost(model, digits.astype(jnp.float32), jr.key(seed + 3)))


def draw_race(out: Path, minutes: str, runs: list[dict]) -> None:
    """The bound along time, and along evaluations: a panel for each estimator, the best behind."""
    order = list(ranked(runs))
    for along, unit in (("seconds", "seconds of one core"), ("evaluations", "million runs per example")):
        scale = 1 if along == "seconds" else 1e6
        lines = {
            name: [curve(run, along, scale) for run in runs if run["estimator"] == name] for name in order
        }
        best = [Line(x, y, QUIET, 1) for x, y in lines[order[0]]]
        all_reach = (0.0, max(x[-1] for own in lines.values() for x, _ in own))
        panels = [
            Panel(
                titled(name),
                [*best, *(Line(x, y, ACCENT) for x, y in lines[name])],
                SHOWN_BOUNDS,
                unit,
                all_reach,
            )
            for name in order
        ]
        title = f"training bound in nats along {along}, {minutes} minutes each, best first; grey: {order[0]}"
        path = picture_path(out, f"belief_net_race_{minutes}_minutes_{along}")
        grid(panels, 5, title, (190, 110)).save(path)


def titled(name: str) -> str:
    """An estimator, and whether it follows another gradient than the bound's."""
    if name == "concrete":
        return "concrete (another bound)"
    return caption(name, unbiased=name not in ESTIMATORS or ESTIMATORS[name]().unbiased)


def curve(run: dict, along: str, scale: float) -> tuple[list[float], list[float]]:
    """The bound of one run, where it can be seen."""
    points = [(at[along] / scale, max(at["train_bound"], SHOWN_BOUNDS[0])) for at in run["curve"]]
    return [x for x, _ in points], [y for _, y in points]


def ranking(runs: list[dict]) -> dict:
    """For each length of race: estimators by their mean training bound, best first."""
    lengths = sorted({run["seconds"] for run in runs})
    return {f"{s / 60:g} minutes": ranked([run for run in runs if run["seconds"] == s]) for s in lengths}


def ranked(runs: list[dict]) -> dict:
    """Runs of one length, by estimator."""
    table = {}
    for name in dict.fromkeys(run["estimator"] for run in runs):
        own = [run for run in runs if run["estimator"] == name]
        table[name] = {
            "train_bounds": [run["train_bound"] for run in own],
            "test_bounds": [run["test_bound"] for run in own],
            "steps": int(np.mean([run["steps"] for run in own])),
            "evaluations": int(np.mean([run["evaluations"] for run in own])),
        }
    return dict(sorted(table.items(), key=lambda item: -float(np.mean(item[1]["train_bounds"]))))


if __name__ == "__main__":
    main()
