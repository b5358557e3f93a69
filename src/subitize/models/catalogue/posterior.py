"""The posterior over catalogues of a picture: is there a centre in each cell of a grid, and where?

The cells have four colours, as on a checkerboard of 2x2 blocks, and are told of one colour after the other:

    q(z, y | x)  =  ∏_colours ∏_{cells c of it}  q(z_c, y_c | features_c(x), neighbours of earlier colours)

with z_c the presence of a centre and y_c its place in the cell. Without the colours two cells would both
claim an object that lies between them, or neither would. With them a sample is a whole catalogue. The
checkerboard is that of prob-ml/bliss (arXiv:2510.03074). Learning from composed scenes minimises the forward
Kullback-Leibler divergence, E_x KL(p(z, y | x) || q), as in StarNet (arXiv:2102.02409).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from subitize.core.networks import MLP
from subitize.models.catalogue.normalize import CELL

COLOURS = ((0, 0), (1, 1), (0, 1), (1, 0))  # the cells of each, as (row, column) modulo two, in their order
NEIGHBOURS = tuple((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0))
FEATURES, LAYERS, HIDDEN = 32, 4, 48
RARE = -2.5  # logit of a presence before anything is learned
PLACE = 0.13  # weight of the error of a place, in cells, beside the nats of a presence


class Convolution(eqx.Module):
    """A convolution of a grid with windows of 3x3 cells; beyond the border are zeros."""

    weight: Float[Array, "3 3 inputs outputs"]
    bias: Float[Array, " outputs"]

    def __init__(self, inputs: int, outputs: int, *, key: PRNGKeyArray):
        self.weight = (2 / (9 * inputs)) ** 0.5 * jr.normal(key, (3, 3, inputs, outputs))
        self.bias = jnp.zeros(outputs)

    def __call__(self, x: Float[Array, "rows columns inputs"]) -> Float[Array, "rows columns outputs"]:
        """Apply to one grid."""
        rows, columns, _ = x.shape
        n = len(self.bias)
        # The three columns of a window side by side, times the weights of its three rows. XLA's own
        # convolution takes fifteen times as long inside a loop, and nine shifted copies compile for long.
        wide = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
        beside = jnp.concatenate([wide[:, j : j + columns] for j in range(3)], -1)
        of_rows = beside @ self.weight.transpose(1, 2, 0, 3).reshape(-1, 3 * n)
        high = jnp.pad(of_rows, ((1, 1), (0, 0), (0, 0)))
        return sum(high[i : i + rows, :, i * n : (i + 1) * n] for i in range(3)) + self.bias


class Posterior(eqx.Module):
    """The network: convolutions over the grid, and one head for the cells of all colours."""

    layers: tuple[Convolution, ...]
    head: MLP

    def __init__(self, *, key: PRNGKeyArray):
        *keys, last = jr.split(key, LAYERS + 1)
        inputs = (CELL**2, *[FEATURES] * (LAYERS - 1))
        self.layers = tuple(Convolution(n, FEATURES, key=k) for n, k in zip(inputs, keys, strict=True))
        sizes = (FEATURES + 3 * len(NEIGHBOURS) + len(COLOURS), HIDDEN, 3)
        head = MLP(sizes, key=last, last_scale=0.1)
        self.head = eqx.tree_at(lambda m: m.layers[-1].bias, head, jnp.array([RARE, 0.0, 0.0]))

    def features(
        self, image: Float[Array, "height width"], inside: Float[Array, "rows columns"]
    ) -> Float[Array, "rows columns features"]:
        """What the picture shows in and around each cell; cells that are not inside show nothing."""
        rows, columns = inside.shape
        squeezed = jnp.sign(image) * jnp.log1p(2 * jnp.abs(image)) / jnp.log(3.0)
        x = squeezed.reshape(rows, CELL, columns, CELL).swapaxes(1, 2).reshape(rows, columns, -1)
        for i, layer in enumerate(self.layers):
            x = x * inside[..., None]
            new = jax.nn.relu(layer(x))
            x = x + new if i >= LAYERS - 2 else new
        return x

    def of_colour(
        self, features: Array, catalogue: Array, number: int
    ) -> Float[Array, "half_rows half_columns 3"]:
        """Logit of a presence, and place, of the cells of a colour, told of neighbours of earlier colours."""
        told = told_of(catalogue, number)
        which = jnp.broadcast_to(jax.nn.one_hot(number, len(COLOURS)), (*told.shape[:2], len(COLOURS)))
        row, column = COLOURS[number]
        return jax.vmap(jax.vmap(self.head))(jnp.concatenate([features[row::2, column::2], told, which], -1))


def told_of(
    catalogue: Float[Array, "rows columns 3"], number: int
) -> Float[Array, "half_rows half_columns told"]:
    """What cells of a colour are told of each neighbour of an earlier colour: presence, and place if any."""
    rows, columns, _ = catalogue.shape
    wide = jnp.pad(catalogue, ((1, 1), (1, 1), (0, 0)))
    row, column = COLOURS[number]
    parts = []
    for i, j in NEIGHBOURS:
        if COLOURS.index(((row + i) % 2, (column + j) % 2)) < number:
            at = slice(1 + i + row, 1 + i + row + rows - 1, 2), slice(1 + j + column, j + column + columns, 2)
            parts.append(wide[at])
        else:
            parts.append(jnp.zeros((rows // 2, columns // 2, 3)))
    return jnp.concatenate(parts, -1)


def negative_log_likelihood(
    posterior: Posterior, image: Float[Array, "height width"], labels: Float[Array, "rows columns 4"]
) -> Float[Array, ""]:
    """-log q of the true catalogue, in nats, the error of places as its weighted L1."""
    truth, known = labels[..., :3], labels[..., 3]
    features = posterior.features(image, jnp.ones(known.shape))
    total = jnp.zeros(())
    for number, (row, column) in enumerate(COLOURS):
        out = posterior.of_colour(features, truth, number)
        own = truth[row::2, column::2]
        present = own[..., 0]
        presence = jax.nn.softplus(out[..., 0]) - present * out[..., 0]
        place = jnp.abs(out[..., 1:] - own[..., 1:]).sum(-1) * present
        total += (known[row::2, column::2] * (presence + PLACE * place)).sum()
    return total


def sample(
    posterior: Posterior, features: Array, inside: Array, key: PRNGKeyArray
) -> Float[Array, "rows columns 3"]:
    """A catalogue: presence of each cell, and its place if there is one."""
    catalogue = jnp.zeros((*inside.shape, 3))
    for number, (row, column) in enumerate(COLOURS):
        out = posterior.of_colour(features, catalogue, number)
        sure = jax.nn.sigmoid(out[..., 0]) * inside[row::2, column::2]
        present = (jr.uniform(jr.fold_in(key, number), sure.shape) < sure).astype(out.dtype)[..., None]
        new = jnp.concatenate([present, present * out[..., 1:].clip(-0.5, 0.5)], -1)
        catalogue = catalogue.at[row::2, column::2].set(new)
    return catalogue
