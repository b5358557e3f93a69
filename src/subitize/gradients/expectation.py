"""Expectation: a loss that can just be differentiated, though its sample sites may be discrete.

A program `cost(model, example, draw)` sees one example, draws from sample sites by name, and returns a cost,
or a cost and auxiliary output `info`. `expectation(cost, policy)` makes of it a loss over batches with

    value                       an unbiased estimate of E[F(cost)],
    gradient w.r.t. the model   an unbiased estimate of the gradient of E[F(cost)],
    gradient w.r.t. the state   trains baselines and control variates,

where F is the objective: it makes one number of the costs of several particles, as in IWAE,

so that one ordinary `jax.value_and_grad` does everything. It differentiates the surrogate

    Σ_k stop(w_k) cost_k + Σ_sites (<φ, stop(g)> - stop(<φ, g>)),

where φ are the parameters of a site's distribution, θ those of the model, and w_k the weight of lane k. Its
value is the estimate. Its gradient is that of the costs with each site's value held fixed, plus (∂φ/∂θ)ᵀ g,
where g is the estimator's gradient with respect to φ (see `estimators.base`). A lane is one evaluation of the
program; all run under one `vmap`. Besides the sampled value an estimator may ask for other values of its
site, such as the antithetic one or all there are. Only one site at a time leaves its sampled value, so the
number of lanes is the sum over sites and not the product. The sites' estimates of the value are averaged.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from subitize.core.distributions import AbstractDistribution
from subitize.core.interfaces import Program
from subitize.gradients.draw import Discovery, Draw, KeyNoise, Noise, Record
from subitize.gradients.estimators.base import AbstractDirect, AbstractEstimator, Site, SiteError
from subitize.gradients.lanes import Lanes, lay_out
from subitize.gradients.objectives import AbstractObjective
from subitize.gradients.policy import Policy, assign


class SurrogateTerms(NamedTuple):
    """The terms of the surrogate of one example, or of one of its sites."""

    value: Float[Array, ""]
    gradient_term: Float[Array, ""]  # value zero, gradient (∂φ/∂θ)ᵀ g
    loss: Float[Array, ""]  # of the estimators' state
    info: PyTree


class Runs(NamedTuple):
    """All runs of the program on one example: leading axes [particles, lanes]."""

    differentiable: Float[Array, "particles lanes"]  # F with particle k on lane l
    objective_values: Float[Array, "particles lanes"]  # the same numbers, other particles under stop-gradient
    costs: Float[Array, "particles lanes"]
    value_grads: dict[str, Array]  # ∂objective_values/∂value, for sites whose estimators ask
    records: dict[str, Record]
    info: PyTree


class Expectation(eqx.Module):
    """The loss E[F(cost)]; see `subitize.gradients.expectation`.

    First derivatives are right. Higher ones are not, since the output of an estimator is under a
    stop-gradient. It is compared and hashed by identity.
    """

    cost: Program = eqx.field(static=True)
    policy: Policy = eqx.field(static=True)
    objective: AbstractObjective = eqx.field(static=True)
    registry: Mapping[str, Callable[..., AbstractEstimator]] = eqx.field(static=True)

    def __hash__(self) -> int:  # so that it can be compiled as it is, whatever its policy is made of
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def init(self, model: PyTree, example: PyTree, key: PRNGKeyArray) -> dict[str, PyTree]:
        """Fresh state of all estimators, for programs that see examples like this one.

        Raises:
            SiteError, UsageError: the policy and the program do not fit together.
        """
        estimators, dists = self.sites(model, example)
        keys = jr.split(key, 1 + len(estimators))
        pairs = zip(estimators.items(), keys, strict=False)
        return {name: e.init(dists[name], example, k) for (name, e), k in pairs}

    def __call__(
        self, model: PyTree, estimator_state: dict[str, PyTree], batch: PyTree, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], PyTree]:
        """Mean over a batch: (value, info), info with the batch's leading axis.

        Args:
            model: what the program is differentiated with respect to; a pytree of arrays.
            estimator_state: from `init`, trained by its own gradient.
            batch: a pytree whose leaves have the examples along their first axis.
            key: all randomness of this call; consumed. Example i uses fold_in(key, i).
        """
        size = jax.tree.leaves(batch)[0].shape[0]
        keys = jax.vmap(lambda i: jr.fold_in(key, i))(jnp.arange(size))
        return self.with_noise(model, estimator_state, batch, KeyNoise(keys))

    def with_noise(
        self, model: PyTree, estimator_state: dict[str, PyTree], batch: PyTree, noise: Noise
    ) -> tuple[Float[Array, ""], PyTree]:
        """As `__call__`, with the noise of every site given: what the laws integrate over."""
        estimators, dists = self.sites(model, jax.tree.map(lambda x: x[0], batch))
        direct = {name: e for name, e in estimators.items() if isinstance(e, AbstractDirect)}
        lanes = lay_out(estimators, estimator_state, dists, self.objective.k)

        def estimator_loss(estimator_state):
            per_example = jax.vmap(
                lambda example, noise: self._terms(model, estimator_state, direct, lanes, example, noise)
            )
            terms = per_example(batch, noise)
            return terms.loss.mean(), terms

        gradient, terms = jax.grad(estimator_loss, has_aux=True)(jax.lax.stop_gradient(estimator_state))
        value = jnp.mean(terms.value + terms.gradient_term)
        return value + zero_with_gradient(estimator_state, gradient), terms.info

    def sites(
        self, model: PyTree, example: PyTree
    ) -> tuple[dict[str, AbstractEstimator], dict[str, AbstractDistribution]]:
        """The program's sites outside loops: the estimator of each, and the shape of its distribution.

        Found by an abstract trace: nothing is computed.

        Raises:
            SiteError, UsageError: the policy and the program do not fit together.
        """
        found = discover(self.cost, model, example)
        return assign(self.policy, self.registry, found.sites, found.looped, self.objective.k), found.sites

    def evaluations(self, model: PyTree, estimator_state: dict[str, PyTree], example: PyTree) -> int:
        """How often the program is run per example: lanes times particles."""
        estimators, dists = self.sites(model, example)
        lanes = lay_out(estimators, estimator_state, dists, self.objective.k)
        return self.objective.k * (len(next(iter(lanes.values())).row) if lanes else 1)

    def _terms(
        self, model, estimator_state, direct, sites: Mapping[str, Lanes], example, noise
    ) -> SurrogateTerms:
        """Run one example, and apply the estimator of every site."""
        runs = self._runs(model, estimator_state, direct, sites, example, noise)
        if not sites:
            nothing = jnp.zeros(())
            info = jax.tree.map(lambda x: x[:, 0].mean(0), runs.info)
            return SurrogateTerms(runs.differentiable[:, 0].mean(), nothing, nothing, info)
        terms = [
            one_site(name, lanes, estimator_state[name], runs, example, self.objective)
            for name, lanes in sites.items()
        ]
        stacked = jax.tree.map(lambda *x: jnp.stack(x), *terms)
        return SurrogateTerms(
            value=stacked.value.mean(),
            gradient_term=stacked.gradient_term.sum(),
            loss=stacked.loss.sum(),
            info=jax.tree.map(lambda x: x.mean(0), stacked.info),
        )

    def _runs(self, model, estimator_state, direct, sites: Mapping[str, Lanes], example, noise) -> Runs:
        """Run the program on all lanes of all particles."""
        particles = noise.split(self.objective.k)
        total = len(next(iter(sites.values())).row) if sites else 1
        perturbations = {
            name: jnp.zeros((self.objective.k, total, *s.value.shape), s.value.dtype)
            for name, s in sites.items()
            if s.estimator.needs_value_grads
        }

        def run(noise, lane, perturbations):
            draw = Draw(direct, sites, estimator_state, noise, lane, perturbations)
            cost, info = scalar_and_info(self.cost(model, example, draw))
            return cost, info, draw.records

        def objective_of(perturbations):
            if not sites and self.objective.k == 1:  # one run: no axes that a compiler would have to undo
                one = run(jax.tree.map(lambda x: x[0], particles), jnp.asarray(0), {})
                costs, info, records = jax.tree.map(lambda x: x[None, None], one)
            else:
                over_lanes = jax.vmap(run, in_axes=(None, 0, 0))
                costs, info, records = jax.vmap(over_lanes, in_axes=(0, None, 0))(
                    particles, jnp.arange(total), perturbations
                )
            held = jax.lax.stop_gradient(costs)
            return objective_replacing(self.objective, costs, held), (costs, info, records)

        if perturbations:
            objective_values, pull, (costs, info, records) = jax.vjp(
                objective_of, perturbations, has_aux=True
            )
            (value_grads,) = pull(jnp.ones_like(objective_values))
        else:
            objective_values, (costs, info, records) = objective_of(perturbations)
            value_grads = {}
        return Runs(
            objective_replacing(self.objective, costs, costs),
            objective_values,
            costs,
            value_grads,
            records,
            info,
        )


def discover(cost: Program, model: PyTree, example: PyTree) -> Discovery:
    """The sample sites of a program, found by an abstract trace: nothing is computed.

    Raises:
        SiteError: a site is drawn where every step, or every lane, would get the same noise.
    """
    found: dict[str, Discovery] = {}

    def trace(model, example):
        found["sites"] = Discovery(KeyNoise(jr.key(0)))
        return scalar_and_info(cost(model, example, found["sites"])), found["sites"].values

    constants = jax.make_jaxpr(trace)(model, example).consts
    if any(value is constant for value in found["sites"].values for constant in constants):
        raise SiteError(TRACER_LEAK)  # a value that is known inside of a transformed function only
    return found["sites"]


TRACER_LEAK = (
    "A value drawn inside a transformed function (scan, vmap, cond) would have to leave it. "
    "Inside a loop write draw.at(step)(name, dist); inside vmap draw the whole array at one site outside."
)


def one_site(
    name: str,
    lanes: Lanes,
    estimator_state: PyTree,
    runs: Runs,
    example: PyTree,
    objective: AbstractObjective,
) -> SurrogateTerms:
    """The terms of one site by its estimator, over all particles."""
    dist, noise, values = jax.tree.map(lambda x: x[:, lanes.own[0]], runs.records[name])
    particles = runs.costs.shape[0]

    def estimate(k, dist, noise, values, objective_values, value_grads):
        others = runs.costs[jnp.arange(particles - 1) + (jnp.arange(particles - 1) >= k), 0]
        held = jax.lax.stop_gradient(dist)
        site = Site(
            held, noise, values[lanes.rows], objective_values, value_grads, example, others, objective
        )
        return lanes.estimator.estimate(estimator_state, site)

    value_grads = runs.value_grads[name][:, lanes.own] if name in runs.value_grads else None
    objective_values = runs.objective_values[:, lanes.own]
    found = jax.vmap(estimate)(jnp.arange(particles), dist, noise, values, objective_values, value_grads)
    weights = jax.lax.stop_gradient(found.weights) / particles
    return SurrogateTerms(
        value=jnp.sum(weights * runs.differentiable[:, lanes.own]),
        gradient_term=zero_with_gradient(dist, found.gradient),
        loss=jnp.mean(found.loss),
        info=jax.tree.map(lambda x: jnp.tensordot(weights, x[:, lanes.own], 2), runs.info),
    )


def objective_replacing(
    objective: AbstractObjective, costs: Array, others: Array
) -> Float[Array, "particles lanes"]:
    """F with particle k on lane l and every other particle on its base lane."""
    if costs.shape[0] == 1:
        return jax.vmap(jax.vmap(lambda cost: objective(cost[None])))(costs)
    replaced = lambda k, cost: objective(others[:, 0].at[k].set(cost))  # noqa: E731
    return jax.vmap(jax.vmap(replaced, in_axes=(None, 0)))(jnp.arange(costs.shape[0]), costs)


def scalar_and_info(result: PyTree) -> tuple[Array, PyTree]:
    """Split what a program returns into its cost and what it reports.

    Raises:
        SiteError: the cost is not one real number.
    """
    cost, info = result if isinstance(result, tuple) else (result, ())
    if jnp.shape(cost) != () or not jnp.issubdtype(jnp.result_type(cost), jnp.floating):
        raise SiteError(
            "A program sees one example and returns one real number as its cost; got an array of shape "
            f"{jnp.shape(cost)} and type {jnp.result_type(cost)}. Sum it, or let the loss do the batching."
        )
    return cost, info


def zero_with_gradient(tree: PyTree, gradient: PyTree) -> Float[Array, ""]:
    """A term of value zero whose gradient with respect to `tree` is `gradient`."""

    def zero(x, g):
        x = jnp.where(jnp.isfinite(x), x, 0.0)  # an infinite logit does not move
        return jnp.sum((x - jax.lax.stop_gradient(x)) * jax.lax.stop_gradient(g))

    return sum(jax.tree.leaves(jax.tree.map(zero, tree, gradient)), jnp.zeros(()))
