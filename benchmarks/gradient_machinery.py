"""What does the machinery cost? A loss through `expectation` against one written by hand; REBAR in two forms.

    overhead   a variational autoencoder, whose one site is pathwise, timed in turns with a hand-written twin
    rebar      one relaxed run, coupled to the draw, against the paper's two: variance and time

python benchmarks/gradient_machinery.py
"""

import statistics
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from belief_nets import BATCH, EPOCHS, LAYERS, Descent
from common import arguments, publish
from subitize.core.distributions import Bernoulli, Normal
from subitize.core.networks import MLP
from subitize.gradients import expectation, profile
from subitize.models.sbn import negative_mean_elbo
from subitize.scenes import BinarizedImages

CODE, HIDDEN, IMAGES = 20, 400, 128
FORMS = {"one relaxed run": "rebar", "two relaxed runs": "rebar(coupled=False)"}


class VAE(eqx.Module):
    """The smallest useful one, to be timed."""

    encoder: MLP
    decoder: MLP

    def __init__(self, key):
        up, down = jr.split(key)
        self.encoder = MLP((784, HIDDEN, 2 * CODE), key=up)
        self.decoder = MLP((CODE, HIDDEN, 784), key=down)

    def posterior(self, x):
        """Q(z | x)."""
        loc, scale = jnp.split(self.encoder(x), 2)
        return Normal(loc, jax.nn.softplus(scale))


PRIOR = Normal(jnp.zeros(CODE), jnp.ones(CODE))


def program(model, x, draw):
    q = model.posterior(x)
    return q.kl(PRIOR) - Bernoulli(model.decoder(draw("z", q))).log_prob(x)


def by_hand(model, batch, key):
    """The same loss as anybody would write it."""
    q = jax.vmap(model.posterior)(batch)
    z = q.loc + q.scale * jr.normal(key, q.loc.shape)
    logits = jax.vmap(model.decoder)(z)
    log_p = jnp.sum(batch * logits - jax.nn.softplus(logits), -1)
    kl = 0.5 * jnp.sum(q.scale**2 + q.loc**2 - 1 - 2 * jnp.log(q.scale), -1)
    return jnp.mean(kl - log_p)


def main() -> None:
    """Measure both, and write the result."""
    args = arguments(__doc__, rounds=400, draws=400)
    full = (args.rounds, args.draws, LAYERS, EPOCHS["mnist"])
    rounds, draws, layers, steps = (3, 4, (8, 8), 5) if args.tiny else full
    dataset = BinarizedImages("train", of="digits" if args.tiny else "mnist")
    forms = rebar_forms(dataset, layers, steps, draws)
    publish(args.out, "gradient_machinery", forms, [overhead(dataset, rounds)])


def overhead(dataset: BinarizedImages, rounds: int) -> dict:
    """Median ratio of the two times, measured in turns."""
    model, batch = VAE(jr.key(0)), dataset.vectors()[:IMAGES].astype(jnp.float32)
    loss = expectation(program)
    ours = jax.jit(jax.value_and_grad(lambda model, key: loss(model, {"z": None}, batch, key)[0]))
    theirs = jax.jit(jax.value_and_grad(lambda model, key: by_hand(model, batch, key)))
    times = {"ours": [], "by_hand": []}
    for i in range(rounds + 2):
        for name, run in (("ours", ours), ("by_hand", theirs)):
            began = time.perf_counter()
            jax.block_until_ready(run(model, jr.key(i)))
            times[name].append(time.perf_counter() - began)
    ours_s, by_hand_s = times["ours"][2:], times["by_hand"][2:]  # the first ones compile
    ratios = [a / b for a, b in zip(ours_s, by_hand_s, strict=True)]
    return {
        "milliseconds": 1e3 * statistics.median(ours_s),
        "milliseconds_by_hand": 1e3 * statistics.median(by_hand_s),
        "overhead": statistics.median(ours_s) / statistics.median(by_hand_s) - 1,
        "overhead_best_of_each": min(ours_s) / min(by_hand_s) - 1,
        "overhead_median_of_ratios": statistics.median(ratios) - 1,
    }


def rebar_forms(dataset: BinarizedImages, layers, steps: int, draws: int) -> dict:
    """Variance and time of the two forms, at both layers, after some steps of training by the first."""
    descent = Descent("rebar", dataset, layers, 0)
    descent.run(steps)
    program = negative_mean_elbo, descent.model, descent.examples(BATCH)
    rows = profile(*program, jr.key(1), candidates=FORMS.values(), draws=draws)
    names = {word: name for name, word in FORMS.items()}
    return {
        f"{names[row.estimator]}, {row.site}": {
            "variance": row.variance,
            "microseconds": row.microseconds,
            "work": row.work,
            "evaluations": row.evaluations,
        }
        for row in rows
    }


if __name__ == "__main__":
    main()
