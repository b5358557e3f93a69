"""How far is contrastive divergence from the gradient that it stands for?

A restricted Boltzmann machine of nine pixels and four hidden units is small enough to sum over all of its
states. So every update is exact: an expectation over all chains, without noise. With the transition matrix
T(v, v') = Σ_h p(h | v) p(v' | h) of one Gibbs step, the data p_0 and F the free energy,

    exact    E_{p_0}[∂F] - E_p[∂F]                             the gradient of the mean of -log p
    CD-k     E_{p_0}[∂F] - E_{p_0 T^k}[∂F]
    PCD-1    E_{p_0}[∂F] - E_q[∂F],   q ← q T                  chains that go on from update to update

Each machine learns bars and stripes by one of them. Along its training the cosine between its update and the
exact gradient is measured, and the bias: the length of their difference over that of the gradient. Last, were
CD-1 the gradient of a function, its Jacobian would be symmetric. The share of it that is not is measured by
‖J - Jᵀ‖ / ‖J + Jᵀ‖ (Sutskever and Tieleman 2010 prove that there is no such function).

    python experiments/contrastive_divergence.py
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree

from common import arguments, picture_path, publish
from subitize.figures.curves import Line, Panel, grid
from subitize.figures.style import ACCENT, INK, QUIET
from subitize.models.boltzmann import RBM, log_partition_exactly

SIDE, HIDDEN, RATE = 3, 4, 0.1
WAYS = {"CD-1": 1, "CD-10": 10, "PCD-1": None}  # Gibbs steps from the data; None for chains that go on
INKS = {"CD-1": ACCENT, "CD-10": INK, "PCD-1": QUIET}
ABOUT = 100  # updates between two measurements

V = jnp.asarray(np.array(np.meshgrid(*[[0.0, 1.0]] * SIDE**2, indexing="ij")).reshape(SIDE**2, -1).T)
H = jnp.asarray(np.array(np.meshgrid(*[[0.0, 1.0]] * HIDDEN, indexing="ij")).reshape(HIDDEN, -1).T)


def bars_and_stripes() -> jax.Array:
    """p_0: all patterns of full columns, and all of full rows, equally often; [512]."""
    lines = np.array(np.meshgrid(*[[0, 1]] * SIDE, indexing="ij")).reshape(SIDE, -1).T
    bars = [np.tile(line, (SIDE, 1)) for line in lines]
    patterns = {tuple(each.ravel()) for bar in bars for each in (bar, bar.T)}
    among = np.array([tuple(v) in patterns for v in np.asarray(V).astype(int)])
    return jnp.asarray(among / among.sum())


def bernoulli_table(means: jax.Array, states: jax.Array) -> jax.Array:
    """Probability of each state by the means of its units; [means, states]."""
    return jnp.exp(jnp.log(means) @ states.T + jnp.log1p(-means) @ (1 - states).T)


def transition(rbm: RBM) -> jax.Array:
    """T: one Gibbs step over the hidden and the visible units; [512, 512]."""
    return bernoulli_table(rbm.hidden_means(V), H) @ bernoulli_table(rbm.visible_means(H), V)


def update(rbm: RBM, p_0: jax.Array, negative: jax.Array) -> RBM:
    """E_{p_0}[∂F] - E_negative[∂F], both distributions held fixed."""
    return jax.grad(lambda m: (p_0 - negative) @ m.free_energy(V))(rbm)


def model_distribution(rbm: RBM) -> jax.Array:
    """p(v) of all v; [512]."""
    return jnp.exp(-rbm.free_energy(V) - log_partition_exactly(rbm))


def negative_phase(way: str, rbm: RBM, p_0: jax.Array, q: jax.Array) -> jax.Array:
    """The distribution whose expectation is taken off: where the chains are; [512]."""
    T, steps = transition(rbm), WAYS[way]
    if steps is None:
        return q @ T
    for _ in range(steps):
        p_0 = p_0 @ T
    return p_0


@eqx.filter_jit
def trained(way: str, rbm: RBM, p_0: jax.Array, q: jax.Array, steps: int) -> tuple[RBM, jax.Array]:
    """The machine, and where its chains are, after so many updates."""

    def one(_: jax.Array, carry: tuple[RBM, jax.Array]) -> tuple[RBM, jax.Array]:
        rbm, q = carry
        q = negative_phase(way, rbm, p_0, q)
        return jax.tree.map(lambda x, g: x - RATE * g, rbm, update(rbm, p_0, q)), q

    return jax.lax.fori_loop(0, steps, one, (rbm, q))


def measured(way: str, rbm: RBM, p_0: jax.Array, q: jax.Array) -> dict[str, float]:
    """Cosine and bias of the next update, and the divergence KL(p_0 | p) of the machine, in nats."""
    exact, _ = ravel_pytree(update(rbm, p_0, model_distribution(rbm)))
    own, _ = ravel_pytree(update(rbm, p_0, negative_phase(way, rbm, p_0, q)))
    log_p = -rbm.free_energy(V) - log_partition_exactly(rbm)
    log_ratio = jnp.where(p_0 > 0, jnp.log(jnp.maximum(p_0, 1e-300)) - log_p, 0.0)
    return {
        "cosine": float(own @ exact / jnp.linalg.norm(own) / jnp.linalg.norm(exact)),
        "bias": float(jnp.linalg.norm(own - exact) / jnp.linalg.norm(exact)),
        "divergence": float(p_0 @ log_ratio),
    }


def asymmetry(field: Callable[[jax.Array], jax.Array], at: jax.Array) -> float:
    """‖J - Jᵀ‖ / ‖J + Jᵀ‖ of a vector field's Jacobian: zero for a gradient."""
    J = jax.jacobian(field)(at)
    return float(jnp.linalg.norm(J - J.T) / jnp.linalg.norm(J + J.T))


def curl(rbm: RBM, p_0: jax.Array) -> dict[str, float]:
    """How far CD-1 is from the gradient of any function here, and the exact gradient beside it."""
    vector, unravel = ravel_pytree((rbm.W, rbm.b, rbm.c))

    def machine(θ: jax.Array) -> RBM:
        return eqx.tree_at(lambda m: (m.W, m.b, m.c), rbm, unravel(θ))

    def field(negative: Callable[[RBM], jax.Array]) -> Callable[[jax.Array], jax.Array]:
        def of(θ: jax.Array) -> jax.Array:
            g = update(machine(θ), p_0, negative(machine(θ)))
            return ravel_pytree((g.W, g.b, g.c))[0]

        return of

    return {
        "CD-1": asymmetry(field(lambda m: negative_phase("CD-1", m, p_0, p_0)), vector),
        "exact": asymmetry(field(model_distribution), vector),
    }


def main() -> None:
    """Measure, write, draw."""
    args = arguments(__doc__, updates=20_000)
    updates = 2 * ABOUT if args.tiny else args.updates
    jax.config.update("jax_enable_x64", val=True)
    p_0 = bars_and_stripes()
    begin = RBM(jnp.full(SIDE**2, 0.5), HIDDEN, key=jr.key(0))
    begin = eqx.tree_at(lambda m: m.W, begin, 10 * begin.W)  # not so near to the saddle at zero
    runs, curves, last = [], {}, begin
    for way in WAYS:
        rbm, q = begin, p_0
        rows: list[dict[str, Any]] = [{"updates": 0} | measured(way, rbm, p_0, q)]
        for done in range(ABOUT, updates + 1, ABOUT):
            rbm, q = trained(way, rbm, p_0, q, ABOUT)
            rows.append({"updates": done} | measured(way, rbm, p_0, q))
        curves[way] = rows
        runs.append({"way": way, "rows": rows[:: max(1, len(rows) // 20)]})
        last = rbm if way == "CD-1" else last
    summary: dict[str, Any] = {way: rows[-1] for way, rows in curves.items()}
    summary["asymmetry_of_the_jacobian"] = curl(last, p_0)
    publish(args.out, "contrastive_divergence", summary, runs)
    drawn(curves).save(picture_path(args.out, "contrastive_divergence"))


def drawn(curves: dict[str, list[dict[str, Any]]]) -> Any:
    """Three panels along the training, with a line for each way."""
    captions = {
        "cosine": "cosine with the exact gradient",
        "bias": "bias over the gradient's length",
        "divergence": "KL of the data from the machine, nats",
    }
    panels = []
    for name, caption in captions.items():
        lines = [
            Line([row["updates"] for row in rows], [row[name] for row in rows], INKS[way], 2)
            for way, rows in curves.items()
        ]
        low = min(0.0, *(min(line.y) for line in lines))
        panels.append(Panel(", ".join(curves), lines, (low, max(max(line.y) for line in lines)), caption))
    return grid(panels, len(panels), "Contrastive divergence beside the exact gradient")


if __name__ == "__main__":
    main()
