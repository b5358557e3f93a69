"""Hopfield networks: what do they store, and how do they recall it?

A classical network has units s_i of -1 and +1, symmetric weights W with a zero diagonal, and biases b:

    E(s) = -½ s·W s - b·s,     asynchronous update  s_i ← sign(Σ_j W_ij s_j + b_i),  one unit after the other.

Such an update never raises E, so recall ends at a local minimum (Hopfield 1982). If all units are updated at
once, E can rise and the states can alternate between two. With patterns ξ^μ as rows of X, of N units each,

    Hebb             W = (1/N) Σ_μ ξ^μ ξ^μ'
    Storkey          W ← W + (1/N) (ξ_i ξ_j - ξ_i h_ji - h_ij ξ_j),   h_ij = Σ_{k≠i,j} W_ik ξ_k,  for each ξ^μ
    pseudo-inverse   W = X⁺ X, the projection onto the patterns

and then the diagonal is set to zero. A modern network keeps the patterns themselves, and has states ξ of real
numbers (Ramsauer et al. 2021):

    E(ξ) = -(1/β) log Σ_μ exp(β ξ^μ·ξ) + ½ ξ·ξ + (1/β) log P + ½ max_μ |ξ^μ|²,     ξ ← X' softmax(β X ξ).

Hopfield (1982), "Neural networks and physical systems with emergent collective computational abilities".
Storkey (1997), "Increasing the capacity of a Hopfield network without sacrificing functionality". Personnaz,
Guyon and Dreyfus (1986), "Collective computational properties of neural networks". Ramsauer et al. (2021),
"Hopfield networks is all you need".
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int, PRNGKeyArray


def without_diagonal(W: Float[Array, "units units"]) -> Float[Array, "units units"]:
    """The matrix with zeros on its diagonal."""
    return W * (1 - jnp.eye(len(W), dtype=W.dtype))


def hebb(patterns: Float[Array, "patterns units"]) -> Float[Array, "units units"]:
    """Weights by Hebb's rule, with a zero diagonal (Hopfield 1982, eq. 2).

    Args:
        patterns: of -1 and +1, one in each row; a row of zeros stores nothing.
    """
    return without_diagonal(patterns.T @ patterns / patterns.shape[1])


def storkey(patterns: Float[Array, "patterns units"]) -> Float[Array, "units units"]:
    """Weights by Storkey's rule, with a zero diagonal (Storkey 1997).

    Args:
        patterns: of -1 and +1, one in each row, stored in this order; a row of zeros stores nothing.
    """
    N = patterns.shape[1]

    def store(W, ξ):
        h = (W @ ξ)[:, None] - W * ξ  # k = i drops out by itself, as W_ii is zero
        h_ij_ξ_j = h * ξ
        return without_diagonal(W + (jnp.outer(ξ, ξ) - h_ij_ξ_j.T - h_ij_ξ_j) / N), None

    W, _ = jax.lax.scan(store, jnp.zeros((N, N), patterns.dtype), patterns)
    return W


def pseudo_inverse(patterns: Float[Array, "patterns units"]) -> Float[Array, "units units"]:
    """The projection onto the patterns, with a zero diagonal (Personnaz et al. 1986).

    Every pattern stays a fixed point without the diagonal: its fields are (1 - W_ii) ξ_i. An entry W_ii
    reaches one only if the patterns span the i-th unit vector.

    Args:
        patterns: of -1 and +1, one in each row; a row of zeros stores nothing.
    """
    W = jnp.linalg.pinv(patterns) @ patterns
    return without_diagonal((W + W.T) / 2)  # rounding leaves it not quite symmetric


class Hopfield(eqx.Module):
    """A classical Hopfield network over units of -1 and +1.

    Attributes:
        W: symmetric weights.
        b: biases.
    """

    W: Float[Array, "units units"]
    b: Float[Array, " units"]

    def energy(self, s: Float[Array, "... units"]) -> Float[Array, "..."]:
        """E(s) of each state (Hopfield 1982, eq. 7)."""
        return -0.5 * jnp.sum(s * (s @ self.W), -1) - s @ self.b

    def update_unit(self, s: Float[Array, "... units"], i: Int[Array, ""] | int) -> Float[Array, "... units"]:
        """The states after an update of unit i; a unit without a field stays as it is."""
        field = s @ self.W[i] + self.b[i]
        return s.at[..., i].set(jnp.where(field == 0, s[..., i], jnp.sign(field)))

    def synchronous_step(self, s: Float[Array, "... units"]) -> Float[Array, "... units"]:
        """The states after an update of all units at once; this can raise the energy."""
        fields = s @ self.W + self.b
        return jnp.where(fields == 0, s, jnp.sign(fields))

    def recall(
        self, s: Float[Array, "... units"], sweeps: int, key: PRNGKeyArray
    ) -> Float[Array, "... units"]:
        """The states after asynchronous updates, each sweep over all units in a random order of its own.

        Args:
            s: states to begin with; all follow the same orders, so that they share each row of W.
            sweeps: how often each unit is updated.
            key: for the orders.
        """

        def sweep(n, s):
            order = jr.permutation(jr.fold_in(key, n), len(self.b))
            return jax.lax.scan(lambda s, i: (self.update_unit(s, i), None), s, order)[0]

        return jax.lax.fori_loop(0, sweeps, sweep, s)


class ModernHopfield(eqx.Module):
    """A modern Hopfield network, which keeps its patterns (Ramsauer et al. 2021).

    Attributes:
        patterns: one in each row; a row of zeros is an empty place.
        beta: inverse temperature β; the larger it is, the nearer a recalled state is to one pattern.
    """

    patterns: Float[Array, "patterns units"]
    beta: Float[Array, ""]

    def similarities(self, ξ: Float[Array, "... units"]) -> Float[Array, "... patterns"]:
        """β ξ^μ·ξ for each pattern μ; minus infinity for an empty place."""
        full = jnp.any(self.patterns != 0, -1)
        return jnp.where(full | ~full.any(), self.beta * ξ @ self.patterns.T, -jnp.inf)

    def energy(self, ξ: Float[Array, "... units"]) -> Float[Array, "..."]:
        """E(ξ) of each state (Ramsauer et al. 2021, eq. 2)."""
        squares = jnp.sum(self.patterns**2, -1)
        P = jnp.maximum(jnp.sum(squares > 0), 1)
        attraction = logsumexp(self.similarities(ξ), axis=-1) / self.beta
        return -attraction + 0.5 * jnp.sum(ξ**2, -1) + jnp.log(P) / self.beta + 0.5 * squares.max()

    def update(self, ξ: Float[Array, "... units"]) -> Float[Array, "... units"]:
        """The states after one update, which never raises the energy (Ramsauer et al. 2021, eq. 3)."""
        return jax.nn.softmax(self.similarities(ξ), -1) @ self.patterns

    def recall(
        self, ξ: Float[Array, "... units"], sweeps: int, key: PRNGKeyArray
    ) -> Float[Array, "... units"]:
        """The states after so many updates.

        Args:
            ξ: states to begin with.
            sweeps: number of updates.
            key: not used, since all units are updated at once.
        """
        return jax.lax.fori_loop(0, sweeps, lambda _, ξ: self.update(ξ), ξ)
