"""docs/extending.md does what it says: every block is added as the page has it, and used."""

import dataclasses
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import subitize.gradients.toys  # noqa: F401  now, in double precision, which laws of them need
from subitize.cli import main
from subitize.cli.train import parsed
from subitize.core.errors import UsageError
from subitize.core.interfaces import Counter, HasParams, Sampler, Scorer
from subitize.registry import HOMES, LEARNERS, trainable
from subitize.training import Recipe, fit, open_run
from subitize.training.loop import check_learner

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r'```python title="([^"]+)"\n(.*?)```', PAGE, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
FILES = [title for title, _ in BLOCKS if title.endswith(".py")]
VAE = "my_vae(latents=3, hidden=16)"
TINY = {"steps": 60, "steps_per_call": 10, "save_every": 20, "batch_size": 16, "learning_rate": 0.003}
WORDS = ("train", "--model", VAE, *(f"{name}={value}" for name, value in TINY.items()))
KILLED = f"""
import os, signal, sys
from subitize.training import Recipe, train

def watch(row):
    if row.get("step") == 40:
        os.kill(os.getpid(), signal.SIGKILL)

train(Recipe.of({VAE!r}, **{TINY!r}), sys.argv[1], watch=watch)
"""


def block(title: str) -> str:
    """The code of the one block with this title."""
    (code,) = (code for name, code in BLOCKS if name == title)
    return code


def entry(table: str, name: str, **known) -> dict:
    """What the page adds to a table under a name."""
    (line,) = (code for title, code in BLOCKS if title.endswith(f", in {table}") and f'"{name}"' in code)
    return eval(f"{{{line}}}", known)


@pytest.fixture
def single_precision():
    with jax.enable_x64(False):
        yield


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Puts a file of the page beside the others of its package: a function to its module.

    A module is loaded once, for types are known by their names.
    """

    def add(title: str):
        folder, _, file = title.removeprefix("src/").rpartition("/")
        package = importlib.import_module(folder.replace("/", "."))
        beside = tmp_path / folder
        beside.mkdir(parents=True, exist_ok=True)
        (beside / file).write_text(block(title))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(beside)])
        return importlib.import_module(f"{package.__name__}.{Path(file).stem}")

    return add


@pytest.fixture
def pasted(monkeypatch):
    """Pastes a class of the page into a file that is there: a function to the class."""

    def paste(title: str, name: str):
        module = importlib.import_module(title.removeprefix("src/").removesuffix(".py").replace("/", "."))
        space = dict(vars(module))
        exec(compile(block(title), title, "exec"), space)
        monkeypatch.setattr(module, name, space[name], raising=False)
        return space[name]

    return paste


@pytest.fixture
def listed(monkeypatch):
    """Adds the line of a name to the registry."""

    def add(name: str) -> None:
        for key, home in entry("HOMES", name).items():
            monkeypatch.setitem(HOMES, key, home)

    return add


@pytest.fixture
def vae(added, listed, single_precision):
    listed("my_vae")
    return added("src/subitize/zoo/my_vae.py")


@pytest.fixture
def said(capsys):
    """Runs the command: (exit code, stdout, stderr)."""

    def call(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def laws(monkeypatch):
    """The laws of a family, as a module."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "laws")
    return importlib.import_module


def checkout(folder: Path) -> Path:
    """A copy of the sources with the VAE's file and its one line."""
    package = shutil.copytree(
        ROOT / "src" / "subitize", folder / "subitize", ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "zoo" / "my_vae.py").write_text(block("src/subitize/zoo/my_vae.py"))
    (line,) = (code for title, code in BLOCKS if title.endswith("in HOMES") and '"my_vae"' in code)
    registry = package / "registry.py"
    registry.write_text(registry.read_text().replace("HOMES = {\n", f"HOMES = {{\n{line}"))
    return folder


@pytest.mark.processes
def test_a_vae_of_one_file_and_one_line_is_trained_killed_resumed_and_sampled(vae, said, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    sources = os.environ | {"PYTHONPATH": str(checkout(tmp_path / "checkout"))}
    killed = [sys.executable, "-c", KILLED, str(cut)]
    done = subprocess.run(killed, env=sources, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert not (cut / "weights.safetensors").exists()
    code, resumed, error = said(*WORDS, "--out", cut)
    assert code == 0, error
    assert said(*WORDS, "--out", whole)[0] == 0
    for name in ("weights.safetensors", "records.jsonl"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    rows = [json.loads(row) for row in (cut / "records.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 50, 60]
    assert {"loss", "kl"} <= set(rows[0])
    assert re.search(r"^held out: .*loss", resumed, re.MULTILINE)

    code, out, error = said("val", cut, "--json", "--scenes-n", 100)
    assert code == 0, error
    batch = open_run(cut).scenes("train").examples(0, jnp.arange(4))
    run = open_run(cut)
    untrained = run.learner.init_params(jax.random.key(0), batch)
    before = run.learner.score(untrained, open_run(cut).scenes("test").examples(0, jnp.arange(100)), KEY)
    assert json.loads(out)["loss"] < 0.7 * before["loss"]
    assert said("sample", cut, "--n", 4, "--out", tmp_path / "samples.png")[0] == 0
    assert said("sample", cut, "--n", 4, "--seed", 1, "--out", tmp_path / "others.png")[0] == 0
    assert (tmp_path / "others.png").read_bytes() != (tmp_path / "samples.png").read_bytes()
    code, out, _ = said("show", cut)
    assert code == 0
    assert "recipe of my_vae" in out
    assert "* latents          3" in out
    assert (cut / "pictures" / "samples.png").exists()


KEY = jax.random.key(0)


def test_settings_are_options_and_the_model_is_shown_among_all(vae, said):
    code, out, _ = said("show")
    assert code == 0
    assert "\n  my_vae          A variational autoencoder (Kingma and Welling 2014).\n" in out
    assert parsed(["--model", "my_vae", "--latents", "8"]).recipe == Recipe.of("my_vae(latents=8)")
    assert Recipe.of("my_vae").data.scenes == "bits(of='digits')"


def test_help_says_what_the_settings_say(vae, capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--model", "my_vae", "--help"])
    assert not end.value.code
    out = capsys.readouterr().out
    assert "--latents INT" in out
    assert "dimensions of z." in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "my_vea"], "Did you mean 'my_vae'?"),
        (
            ["--model", "my_vae(latentz=8)"],
            "has no option `latentz`. Did you mean 'latents'? It takes: latents, hidden.",
        ),
        (["--model", "my_vae", "--latentz", "8"], "Did you mean '--latents'?"),
        (["--model", "my_vae(latents='8')"], "`latents` is int; got '8'"),
        (["--model", "my_vae(8)"], "named options"),
        (["--model", "my_vae", "--latents", "0"], "`latents` is from 1 to 1,024"),
        (["--model", "my_rbm(hidden=0)"], "`hidden` is from 1"),
    ],
)
def test_a_slip_in_the_options_of_a_model_is_said(words, message, vae, added, listed, said):
    added("src/subitize/zoo/my_rbm.py")
    listed("my_rbm")
    code, _, error = said("train", *words)
    assert (code, message in error) == (2, True), error


def test_the_commands_of_the_page_can_be_read(listed, pasted, vae):
    pasted("src/subitize/counter/options.py", "ResidualOptions")
    listed("residual")
    trainings = [shlex.split(line)[2:] for line in COMMANDS if line.startswith("subitize train")]
    assert len(trainings) > 8
    for words in trainings:
        if "--help" not in words:
            assert parsed(words).recipe.loop.steps > 0


def test_a_boltzmann_machine_learns_by_fit_without_a_loss(
    added, listed, single_precision, tmp_path, monkeypatch
):
    rbm = added("src/subitize/zoo/my_rbm.py")
    listed("my_rbm")
    monkeypatch.chdir(tmp_path)
    found = {}
    exec(compile(block("train_rbm.py"), "train_rbm.py", "exec"), found)
    rows = [json.loads(row) for row in Path("runs/rbm/records.jsonl").read_text().splitlines()]
    assert "loss" not in rows[0]
    assert rows[-1]["error"] < 0.7 * rows[0]["error"]
    learner, state, dataset = found["learner"], found["state"], found["dataset"]
    assert isinstance(learner, HasParams)
    assert isinstance(learner, Sampler)
    assert isinstance(learner, Scorer)
    assert not isinstance(learner, Counter)
    samples = jax.jit(learner.sample, static_argnums=2)(learner.params(state), KEY, 30)
    mean = np.asarray(dataset.pictures).mean(0) / 255
    assert np.corrcoef(samples.mean(0).ravel(), mean.ravel())[0, 1] > 0.7, "its samples are of digits"
    recipe = Recipe.of("my_rbm(hidden=5)")
    assert isinstance(recipe.learner(dataset.spec), rbm.RBM)
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.fixture
def self_critical(added, monkeypatch):
    from subitize.gradients import ESTIMATORS

    module = added("src/subitize/gradients/estimators/self_critical.py")
    for word, kind in entry("ESTIMATORS", "self_critical", SelfCritical=module.SelfCritical).items():
        monkeypatch.setitem(ESTIMATORS, word, kind)
    return "self_critical"


@pytest.mark.parametrize("toy", ["coins", "count", "two dependent"])
def test_the_estimator_is_unbiased_by_the_law(toy, self_critical, laws):
    law = laws("test_estimators")
    value, gradient, _ = law.integrated(law.TOY[toy], self_critical)
    true_value, true_gradient = law.truth(law.TOY[toy])
    assert abs(value - true_value) < law.PRECISION
    assert jnp.abs(gradient - true_gradient).max() < law.PRECISION


@pytest.fixture
def rings(added, monkeypatch):
    from subitize import scenes

    module = added("src/subitize/scenes/rings.py")
    for table in (scenes.SCENES, scenes.DATASETS):
        monkeypatch.setitem(table, module.Rings.family, module.Rings)
    return module.Rings


def test_the_world_keeps_the_laws(rings, laws, single_precision):
    law = laws("test_scenes")
    (case,) = entry("CASES", "rings")
    dataset = law.load(case, "train")
    kept = dataset, *jax.tree.map(np.asarray, law.take_apart(dataset, law.keys(law.SCENES_DRAWN)))
    drawn = lambda case: kept  # noqa: E731
    law.test_scene_i_of_seed_s_is_the_same_in_whatever_batch(drawn, case)
    law.test_the_scene_is_what_its_shapes_promise(drawn, case)
    law.test_a_scene_knows_its_own_count(drawn, case)
    law.test_the_image_is_its_pieces_and_each_box_fits_its_ink(drawn, case)


@pytest.fixture
def poisson(pasted, monkeypatch):
    from subitize.core.counts import COUNT_PRIORS

    kind = pasted("src/subitize/core/counts.py", "Poisson")
    monkeypatch.setitem(COUNT_PRIORS, kind.name, kind)
    return kind


def test_the_count_prior_is_a_distribution_of_this_mean(poisson):
    probs = np.exp(poisson(rate=2.0).log_probs(40))
    assert np.isclose(probs.sum(), 1)
    assert np.isclose(probs @ np.arange(41), 2)
    with pytest.raises(ValueError, match="above 0"):
        poisson(rate=0.0)


def test_attention_network_world_prior_and_estimator_are_words_of_one_training(
    added, pasted, listed, rings, poisson, self_critical, single_precision, tmp_path, monkeypatch
):
    from subitize.models.air import ATTENTION_NETWORKS

    module = added("src/subitize/models/residual.py")
    for word, network in entry("ATTENTION_NETWORKS", "residual", Residual=module.Residual).items():
        monkeypatch.setitem(ATTENTION_NETWORKS, word, network)
    pasted("src/subitize/counter/options.py", "ResidualOptions")
    listed("residual")
    small = "residual(max_objects=1, object_size=9.0, what_dim=2, sum_scenes=0, summands=2)"
    chosen = {"count_prior": "poisson(rate=0.1)", "estimator": self_critical}
    dataset = {"scenes": "rings", "counts": (0, 1), "canvas": 20, "size": 8.0, "batch_size": 3}
    recipe = Recipe.of(small, **chosen, **dataset, steps=2, steps_per_call=2)
    scenes = recipe.data.load("train")
    state = fit(recipe.learner(scenes.spec), scenes, recipe.plan(), tmp_path / "run")
    assert isinstance(scenes, rings)
    assert isinstance(state.model.attention, module.Residual)
    assert isinstance(state.model.count_prior, poisson)
    (row,) = (json.loads(line) for line in (tmp_path / "run" / "records.jsonl").read_text().splitlines())
    assert (row["step"], row["skipped"]) == (2, 0)
    assert np.isfinite(row["loss"])


def test_the_claim_gets_a_verdict(added, single_precision, tmp_path):
    from subitize.reproduce import Lab, reproduce

    (claim,) = added("src/subitize/claims/area.py").CLAIMS
    found = reproduce(claim, Lab(tmp_path / "lab", claim.seeds))
    assert found.summary["verdict"] == "agrees"
    assert len(set(found.values("correlation"))) == 3


def test_every_block_of_the_page_is_used_here():
    source = Path(__file__).read_text()
    for title in FILES:
        assert f'"{title}"' in source, title


class Mean:
    """A learner with two functions only: the mean picture."""

    def init(self, key, batch, *, learning_rate_scale=1.0):
        return jnp.zeros(batch.image.shape[1:])

    def step(self, state, batch, key):
        return state + 0.1 * (batch.image.mean(0) - state), {"brightness": state.mean()}


@dataclasses.dataclass(frozen=True)
class MeanOptions:
    """The mean picture."""

    defaults: ClassVar[dict] = {"steps": 4, "steps_per_call": 2, "batch_size": 2}

    def learner(self, data, optimizer, steps):
        return Mean()


def test_two_functions_are_enough_and_what_is_missing_is_said(said, single_precision, tmp_path, monkeypatch):
    monkeypatch.setitem(HOMES, "mean", f"{__name__}:MeanOptions")
    run = tmp_path / "run"
    code, out, error = said("train", "--model", "mean", "--out", run)
    assert code == 0, error
    assert "picture" not in out
    assert open_run(run).model.shape == (40, 40, 1)
    code, out, _ = said("show", run)
    assert (code, "recipe of mean" in out, "picture" in out) == (0, True, False)
    (tmp_path / "pictures").mkdir()
    for verb, *words in (["sample", run], ["val", run]):
        code, _, error = said(verb, *words)
        assert code == 2
        assert {"sample": "has no `sample`", "val": "has no score"}[verb] in error


@dataclasses.dataclass
class Thawed:
    latents: int = 2


@dataclasses.dataclass(frozen=True)
class Untrainable:
    latents: int = 2


@dataclasses.dataclass(frozen=True)
class Undecided(MeanOptions):
    latents: int = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class Ambiguous(MeanOptions):
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Misspelt(MeanOptions):
    defaults: ClassVar[dict] = {"learning_rat": 1.0}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Thawed, "is no frozen dataclass"),
        (Mean, "is no frozen dataclass"),
        (Untrainable, "has no `learner`"),
        (Undecided, "has no default for `latents`"),
        (Ambiguous, "`seed` of Ambiguous"),
        (Misspelt, "name `learning_rat`, which is none. Did you mean 'learning_rate'?"),
    ],
)
def test_a_class_that_cannot_be_a_model_is_refused_with_its_reason(kind, message, said, monkeypatch):
    monkeypatch.setitem(HOMES, "mine", f"{__name__}:{kind.__name__}")
    code, _, error = said("train", "--model", "mine")
    assert (code, message in error) == (2, True), error


def test_settings_that_are_not_listed_are_refused_with_their_class():
    with pytest.raises(UsageError, match=r"MeanOptions is not\. Add a line"):
        Recipe.of(MeanOptions()).to_json()


@pytest.mark.parametrize(
    ("learner", "message"),
    [
        (MeanOptions(), "MeanOptions has no `init`"),
        (type("Unhashable", (Mean,), {"__hash__": None})(), "Unhashable is not: unhashable type"),
    ],
)
def test_what_is_no_learner_is_not_trained(learner, message):
    with pytest.raises(UsageError, match=message):  # as `fit` asks, before tests' own checks of types
        check_learner(learner)


def test_options_of_another_type_are_brought_to_theirs_or_refused():
    assert trainable("sbn(layers=[4, 3])").layers == (4, 3)
    with pytest.raises(UsageError, match="`max_objects` is int; got '5'"):
        trainable("dair(max_objects='5')")
    assert "sbn" in LEARNERS
