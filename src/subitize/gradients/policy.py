"""Policy: the specs that say how each random site is to be differentiated.

A policy is a spec ("exact", "rloo(k=8)"), an estimator, or a mapping from site names to either, in which
"*" stands for every finite site not named. Sites whose draws are differentiable are pathwise unless named.
A site that nothing serves is an error that lists what would, and so is a lone spec where there is no finite
site for it to serve.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from subitize.core.distributions import AbstractDistribution
from subitize.core.errors import UsageError, did_you_mean
from subitize.core.specs import from_spec
from subitize.gradients.estimators.base import AbstractEstimator, SiteError, caption
from subitize.gradients.estimators.pathwise import Pathwise

Registry: TypeAlias = Mapping[str, Callable[..., AbstractEstimator]]
Policy: TypeAlias = str | AbstractEstimator | Mapping[str, str | AbstractEstimator] | None


def check_policy(policy: Policy, registry: Registry) -> None:
    """Raise UsageError now for a spec that will never be understood."""
    for choice in policy.values() if isinstance(policy, Mapping) else [policy]:
        if choice is not None:
            estimator_of(choice, registry)


def assign(
    policy: Policy,
    registry: Registry,
    sites: Mapping[str, AbstractDistribution],
    looped: Mapping[str, AbstractDistribution],
    particles: int,
) -> dict[str, AbstractEstimator]:
    """Give every site outside a loop its estimator.

    Raises:
        UsageError: the policy names a site that the program does not have.
        SiteError: a site has no estimator, or one that cannot serve it, or a lone spec has no site to serve.
    """
    named = dict(policy) if isinstance(policy, Mapping) else {"*": policy}
    for name in named:
        if name != "*" and name not in sites and name not in looped:
            known = ", ".join([*sites, *looped]) or "none"
            raise UsageError(
                f"The policy speaks of site '{name}', which the program never draws."
                f"{did_you_mean(name, [*sites, *looped])} Its sites: {known}."
            )
    spec = None if policy is None or isinstance(policy, Mapping) else estimator_of(policy, registry)
    continuous = bool(sites or looped) and all(dist.reparameterised for dist in sites.values())
    if spec is not None and continuous and not isinstance(spec, Pathwise):
        some = next(iter([*sites, *looped]))
        raise SiteError(
            f"'{spec.name}' alone stands for finite sites, and this program has none: its sites are pathwise "
            f"unless they are named, as in {{'{some}': '{spec.name}'}}."
        )
    for name in looped:
        if name in named and not isinstance(estimator_of(named[name], registry), Pathwise):
            raise SiteError(f"Site '{name}' is drawn inside a loop, where only 'pathwise' can serve.")
    return {name: choose(name, dist, named, registry, particles) for name, dist in sites.items()}


def estimator_of(choice: object, registry: Registry) -> AbstractEstimator:
    """The estimator a spec names, or the estimator itself."""
    if choice == "auto":
        raise UsageError(
            "'auto' needs a model and examples to measure on: `subitize.gradients.choose` takes them and "
            "returns a policy; `Chooser` does so again along the way."
        )
    if isinstance(choice, str):
        return from_spec(choice, registry, "estimator")
    if isinstance(choice, AbstractEstimator):
        return choice
    raise UsageError(f"An estimator is its name, as in 'rloo(k=8)', or an estimator object; got {choice!r}.")


def choose(
    name: str, dist: AbstractDistribution, named: Mapping, registry: Registry, particles: int
) -> AbstractEstimator:
    """The estimator of one site, checked against its distribution."""
    if name in named:
        estimator = estimator_of(named[name], registry)
    elif dist.reparameterised:
        return Pathwise()
    elif named.get("*") is not None:
        estimator = estimator_of(named["*"], registry)
    else:
        raise SiteError(
            f"Site '{name}' ({type(dist).__name__}) is not differentiable through its draw, and no "
            f"estimator was chosen for it. {would_work(name, dist, registry, particles)}"
        )
    why_not = misfit(estimator, dist, particles)
    if why_not is not None:
        raise SiteError(
            f"Estimator '{estimator.name}' cannot serve site '{name}': {why_not}. "
            f"{would_work(name, dist, registry, particles)}"
        )
    return estimator


def misfit(estimator: AbstractEstimator, dist: AbstractDistribution, particles: int) -> str | None:
    """Why an estimator cannot serve a site under an objective of so many particles; None if it can."""
    why_not = estimator.why_not(dist)
    if why_not is None and estimator.needs_particles and particles < 2:
        why_not = "it compares several runs of the program, and the objective has one; try 'iwae(k=5)'"
    return why_not


def would_work(name: str, dist: AbstractDistribution, registry: Registry, particles: int) -> str:
    """Say which specs would serve a site."""
    candidates = {spec: build() for spec, build in registry.items()}
    fitting = {spec: e for spec, e in candidates.items() if misfit(e, dist, particles) is None}
    specs = sorted(fitting, key=lambda spec: not fitting[spec].unbiased)
    told = ", ".join(caption(spec, unbiased=fitting[spec].unbiased) for spec in specs)
    return f"These would work for '{name}': {told}."
