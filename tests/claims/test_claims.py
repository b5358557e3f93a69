"""Claims: verdicts follow from numbers, rehearsals run, and nothing done is done again."""

import ast
import dataclasses
import json
import shutil
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
import pytest
from PIL import Image

from subitize import claims, scenes
from subitize.claims import CLAIMS, generalisation, other_datasets, painting
from subitize.claims.generalisation import unseen
from subitize.claims.open_ended import within
from subitize.cli import main
from subitize.core.errors import CheckpointError, UsageError
from subitize.core.results import Result
from subitize.models.air import AIR, AIRSettings
from subitize.models.draw import DRAW, DRAWSettings
from subitize.reproduce import Claim, Condition, Finding, Lab, reproduce
from subitize.reproduce import lab as laboratory
from subitize.reproduce.counters import counter_of
from subitize.reproduce.counting import confused, scenes_of
from subitize.reproduce.generative import Schedule
from subitize.reproduce.report import report
from subitize.training import Recipe, Run
from subitize.training.weights import WEIGHTS

CLAIM_FILES = sorted(set(Path(claims.__file__).parent.glob("*.py")) - {Path(claims.__file__)})
AT_LEAST, AT_MOST = Condition("right (%)", "about 80", 85), Condition("right (%)", "", 20, at_most=True)


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


@pytest.mark.parametrize(
    ("condition", "values", "verdict"),
    [
        (AT_LEAST, [86, 88, 87], "agrees"),
        (AT_LEAST, [80, 81, 82], "disagrees"),
        (AT_LEAST, [84, 86, 85], "undecided"),
        (AT_LEAST, [99, 99], "undecided"),
        (AT_LEAST, [99, 99, float("nan")], "undecided"),
        (AT_LEAST, [85, 85, 85], "agrees"),
        (AT_MOST, [1, 2, 3], "agrees"),
        (AT_MOST, [30, 31, 32], "disagrees"),
        (AT_MOST, [10, 20, 30], "undecided"),
    ],
)
def test_verdicts(condition, values, verdict):
    assert condition.verdict(values) == verdict


@pytest.mark.parametrize("at_most", [False, True])
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(
    ("errors", "verdict"), [(2.1, "agrees"), (1.9, "undecided"), (-1.9, "undecided"), (-2.1, "disagrees")]
)
def test_a_mean_is_decided_from_two_standard_errors_on(errors, verdict, seeds, at_most):
    """Of the mean, that is sd / √s, with sd that of a sample; `errors` are counted to the right side."""
    spread = np.linspace(-3, 3, seeds)
    error = np.sqrt(np.sum(spread**2) / (seeds - 1) / seeds)
    mean = 85 + (-errors if at_most else errors) * error
    assert Condition("right (%)", "", 85, at_most).verdict((mean + spread).tolist()) == verdict


def claim_of(measure, conditions):
    return Claim("two_sided", "One is high, one is low.", "nobody", conditions, 1, (0, 1, 2), measure)


@pytest.mark.parametrize(
    ("high", "low", "verdict"),
    [
        ([90, 91, 92], [1, 2, 3], "agrees"),
        ([90, 91, 92], [40, 41, 42], "disagrees"),
        ([84, 86, 85], [1, 2, 3], "undecided"),
        ([84, 86, 85], [40, 41, 42], "disagrees"),
    ],
)
def test_a_claim_is_as_good_as_its_worst_condition(high, low, verdict, tmp_path):
    claim = claim_of(lambda lab: Finding({"high": high, "low": low}, {}), {"high": AT_LEAST, "low": AT_MOST})
    found = reproduce(claim, Lab(tmp_path, claim.seeds))
    assert found.summary["verdict"] == verdict
    assert found == Result.read(tmp_path / "two_sided.json")
    assert found.runs == tuple({"seed": seed, "high": high[seed], "low": low[seed]} for seed in claim.seeds)
    text = report(tmp_path, tmp_path)
    assert text.count("\n| ") == 3, "a row for each condition, below the head"
    for sign, bar, values in (("≥", 85, high), ("≤", 20, low)):
        assert f"| {sign} {bar} | {sum(values) // 3} ({', '.join(map(str, values))}) |" in text
    assert {"date", "cpu", "command", "commit"} <= set(found.provenance)
    assert f"**{verdict.capitalize()}.**" in text
    assert "![" not in text


def test_what_was_measured_is_not_measured_again(tmp_path):
    """A test that ends with its third seed goes on there, and says of all where they were made."""
    asked, lines = [], []

    def measure(lab, seed):
        asked.append(seed)
        if len(asked) == 3:
            raise KeyboardInterrupt
        lab.spent[f"training of {seed}"] = 30.0
        return {1: 90 + seed}

    def judge(lab):
        found = lab.noted("right answers", ("of", "one"), measure)
        return Finding({"high": [own["1"] for own in found]}, {})

    claim, lab = claim_of(judge, {"high": AT_LEAST}), Lab(tmp_path, (0, 1, 2), say=lines.append)
    with pytest.raises(KeyboardInterrupt):
        reproduce(claim, lab)
    for note in tmp_path.glob("notes/*.json"):
        note.write_text(note.read_text().replace(date.today().isoformat(), "1999-01-01"))
    found = reproduce(claim, dataclasses.replace(lab, spent={}, made=[]))
    assert asked == [0, 1, 2, 2]
    assert found.values("high") == [90, 91, 92]
    assert found.summary["minutes"] == 1.5
    assert len(lines) == 2
    assert [sitting["date"] for sitting in found.sittings] == ["1999-01-01", date.today().isoformat()]
    assert "1999-01-01" in report(tmp_path, tmp_path)


def test_what_is_noted_in_parts_goes_on_within_and_says_where_all_were_made(tmp_path):
    asked = []

    def measure(lab, seed):
        def part(lab, seed):
            asked.append(len(asked))
            if len(asked) == 2:
                raise KeyboardInterrupt
            return 1

        return sum(lab.noted_of(seed, f"part {i}", "options", part) for i in range(3))

    with pytest.raises(KeyboardInterrupt):
        Lab(tmp_path, (0,)).noted("whole", "options", measure)
    (note,) = tmp_path.glob("notes/*.json")
    note.write_text(note.read_text().replace(date.today().isoformat(), "1999-01-01"))
    for _ in range(2):
        lab = Lab(tmp_path, (0,))
        assert lab.noted("whole", "options", measure) == [3]
        assert asked == [0, 1, 2, 3]
        assert [made["date"] for made in lab.made] == ["1999-01-01"] + 3 * [date.today().isoformat()]


def test_fewer_seeds_replace_no_more(tmp_path):
    claim = claim_of(lambda lab: Finding({"high": [90] * len(lab.seeds)}, {}), {"high": AT_LEAST})
    reproduce(claim, Lab(tmp_path, claim.seeds))
    reproduce(claim, Lab(tmp_path, claim.seeds))
    with pytest.raises(UsageError, match="has 3 seeds, and 2 would replace it"):
        reproduce(claim, Lab(tmp_path, claim.seeds[:2]))
    assert Result.read(tmp_path / "two_sided.json").values("seed") == [0, 1, 2]


def test_a_result_that_cannot_be_read_is_named_and_not_replaced(tmp_path):
    claim = claim_of(lambda lab: Finding({"high": [90] * len(lab.seeds)}, {}), {"high": AT_LEAST})
    path = tmp_path / "two_sided.json"
    path.write_text(json.dumps({"claim": "two_sided", "seeds": [0, 1, 2, 3]}))
    with pytest.raises(UsageError, match=r"two_sided\.json holds no result.*Delete it"):
        reproduce(claim, Lab(tmp_path, claim.seeds))
    assert "### two_sided\n\n**Cannot be read.**" in report(tmp_path, tmp_path)


def test_a_damaged_note_is_named(tmp_path):
    lab = Lab(tmp_path, (0,))
    lab.noted("number", "options", lambda lab, seed: 1)
    (note,) = tmp_path.glob("notes/*.json")
    note.write_text(note.read_text()[:20])
    with pytest.raises(CheckpointError, match=f"{note.name} is damaged. Delete it"):
        lab.noted("number", "options", lambda lab, seed: 1)


def test_a_note_tells_no_command(tmp_path):
    """It is of any claim that asks for it, and arguments may name folders of somebody's machine."""
    Lab(tmp_path, (0,)).noted("number", "options", lambda lab, seed: 1)
    (note,) = tmp_path.glob("notes/*.json")
    assert "command" not in json.loads(note.read_text())["provenance"]


def test_other_options_are_measured_anew(tmp_path):
    lab = Lab(tmp_path, (0,))
    for options in ((1, 2), (1, 3)):
        assert lab.noted("number", options, lambda lab, seed, options=options: list(options)) == [
            list(options)
        ]
    tiny = dataclasses.replace(lab, tiny=True)
    assert tiny.noted("number", (1, 2), lambda lab, seed: ["few"]) == [["few"]]


def test_a_picture_is_drawn_once(tmp_path):
    drawn = []

    def draw():
        drawn.append(Image.new("L", (4, 3), 7))
        return drawn[-1]

    for _ in range(2):
        picture = Lab(tmp_path, (5,)).drawn("board", "options", draw)
        assert np.array_equal(picture, np.full((3, 4), 7))
    assert len(drawn) == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("claims")


@pytest.mark.parametrize("name", CLAIMS)
def test_rehearsal(name, folder):
    """Every claim runs from end to end; all share one folder, and so the trainings that agree."""
    claim = CLAIMS[name]
    found = reproduce(claim, Lab(folder, claim.seeds[:1], tiny=True))
    assert found.summary["verdict"] == "rehearsal"
    assert found.provenance["command"] == f"subitize reproduce {name} --tiny"
    assert found.summary["minutes"] >= 0
    (run,) = found.runs
    assert set(run) == {"seed", *claim.conditions}
    assert np.isfinite(list(run.values())).all()
    if (folder / f"{name}.png").exists():
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.width > 300
        assert f"]({name}.png)" in report(folder, folder)
    assert f"### {claim.statement}" in report(folder, folder)


def test_what_was_trained_is_not_trained_again(folder):
    claim, lines = CLAIMS["training_counts"], []
    lab = Lab(folder, claim.seeds[:1], tiny=True, say=lines.append)
    reproduce(claim, lab)
    before = {path: path.stat().st_mtime_ns for path in folder.glob(f"runs/*/{WEIGHTS}")}
    lines.clear()
    shutil.rmtree(folder / "notes")
    reproduce(claim, lab)
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob(f"runs/*/{WEIGHTS}")}
    assert not [line for line in lines if line.startswith("training")]


def test_rows_are_what_is_true_and_columns_what_is_counted(tmp_path):
    lab = Lab(tmp_path, (0,), tiny=True)
    dataset = scenes.load(lab.scenes, "test")
    size = AIRSettings(height=dataset.height, width=dataset.width, max_objects=3, object_size=17.0)
    untrained = AIR(size, key=jax.random.key(0))
    recipe = Recipe.of(scenes=lab.scenes, max_objects=3, object_size=17.0)
    learner = recipe.learner(dataset.spec)
    always_three = eqx.tree_at(
        lambda model: model.attention.count.bias, untrained, np.full(3, 30.0, np.float32)
    )
    table = confused(lab, Run(tmp_path, recipe, learner, always_three, ""), (0, 2), 5)
    expected = np.zeros((3, 4), int)  # a row for each count up to the last that is true
    expected[[0, 2], 3] = 5
    assert np.array_equal(table, expected)


@pytest.mark.parametrize(("error", "share"), [(0, 50.0), (1, 80.0), (5, 100.0)])
def test_within_counts_errors_to_both_sides(error, share):
    table = np.zeros((4, 4), int)
    table[2], table[1] = (2, 1, 5, 2), (0, 9, 0, 0)
    assert within(table, 2, error) == share


def test_what_was_shown_does_not_count_as_unseen():
    table = np.eye(4, dtype=int)
    table[3, :3], table[2, 3] = 1, 7
    assert unseen([table], 3, (0, 1, 2)) == [25]
    with pytest.raises(UsageError, match="not shown"):
        unseen([table], 2, (0, 1, 2))


def test_on_what_was_shown_dair_is_behind_by_what_air_is_righter(tmp_path, monkeypatch):
    tables = {"air": np.eye(3), "dair": np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]])}  # right: 1, 1/2, 1/2
    monkeypatch.setattr(generalisation, "tested", lambda lab, way, *_: [tables[way.split(",")[0]]])
    assert generalisation.training_counts(Lab(tmp_path, (0,))).values["behind"] == pytest.approx([100 / 3])


def test_scenes_of_a_count_are_held_out_and_have_a_seed_of_their_own():
    for n in (1, 2):
        dataset = scenes.load("digits", "test", counts=(n,))
        assert np.array_equal(scenes_of("digits", n, 3).image, dataset.batch(n, np.arange(3)).image)


class Nobody(NamedTuple):
    """A learner of nothing, whose attention network can take any number of steps."""

    any_length: bool = True

    def init(self, key, batch, *, learning_rate_scale=1.0):
        return ()

    def step(self, state, batch, key):
        return state, {}


class Asked(Lab):
    """A lab that trains nothing and notes what it is asked for."""

    def trained(self, **options):
        self.made.append(options)
        return Run(self.out, Recipe.of(), Nobody(), SimpleNamespace(attention=Nobody()), "")

    def for_inference(self, run, max_objects, passes):
        self.made.append((max_objects, passes))
        return run


@pytest.mark.parametrize(
    ("way", "passes"), [("dair", 8), ("dair, one pass", 1), ("eslami2016", 1), ("air", 1)]
)
def test_counters_may_find_one_more_than_they_are_shown_and_look_as_often_as_they_shall(
    way, passes, tmp_path
):
    lab = Asked(tmp_path, (0,))
    counter_of(way, (0, 1, 3)).run(lab, 0)
    training, extended = lab.made
    assert extended == (9, passes)
    assert training["max_objects"] == 4
    assert training.get("sum_scenes") == (0 if way == "eslami2016" else None), (
        "the paper's learns from no sums"
    )


def test_other_options_are_trained_anew(tmp_path, monkeypatch):
    folders = []

    class Quick(Run):
        def seconds(self):
            return 1.0

    def train(recipe, folder):
        folders.append(folder)
        return Quick(folder, recipe, Nobody(), None, "")

    monkeypatch.setattr(laboratory, "train", train)
    lab = Lab(tmp_path, (0,))
    for steps in (5, 6):
        lab.trained(model="air", seed=0, steps=steps)
    assert len(set(folders)) == 2


def test_a_schedule_lets_the_rate_fall_along_half_a_cosine_and_no_gradient_be_longer_than_its_clip():
    """Of gradients that are all as long, a step of Adam is as long as the rate."""
    schedule = Schedule(steps=10, rate=1e-2, last_rate=1e-3, grad_clip_norm=1.0)
    optimizer, found = schedule.optimizer(), []
    state = optimizer.init(jax.numpy.zeros(()))
    for gradient in (1.0, 1e6, 30.0, *[2.0] * 8):
        change, state = optimizer.update(jax.numpy.asarray(gradient), state)
        found.append(-float(change))
    falls = (1 + np.cos(np.pi * np.arange(11) / 10)) / 2
    np.testing.assert_allclose(found, 1e-3 + 9e-3 * falls, rtol=1e-4)


def test_nats_are_a_mean_over_digits(monkeypatch):
    settings = DRAWSettings(height=4, width=4, glimpses=1, hidden=2, code=1, read=2, write=2)
    model = DRAW(settings, key=jax.random.key(0))
    monkeypatch.setattr(painting, "total_cost", lambda model, some, key: some.sum())
    digits = np.arange(7)[:, None, None] * np.ones((1, 4, 4)) / 16
    assert painting.nats(model, digits, 0, batch_size=3) == 3


def test_of_a_character_as_much_is_explained_as_is_missing_from_what_is_lit(tmp_path, monkeypatch):
    """Half of the brightness of every pixel leaves a quarter of their squares, however few are lit."""
    images = np.zeros((2, 5, 5, 1))
    images[0, 0, 0], images[1, 2:] = 1.0, 0.6
    size = SimpleNamespace(settings=SimpleNamespace(max_objects=4))

    class Half(Run):
        def infer(self, images):
            return SimpleNamespace(reconstruction=images / 2, count=np.array([1, 3]))

    class Trained(Lab):
        def trained(self, **options):
            return Half(self.out, Recipe.of(), Nobody(), size, "")

    monkeypatch.setattr(other_datasets, "pictures", lambda run, number: (images, None))
    monkeypatch.setattr(other_datasets, "seen", lambda *_: Image.new("L", (4, 4)))
    found = other_datasets.parts(Trained(tmp_path, (0,)))
    assert found.values["explained"] == pytest.approx([75.0])
    assert found.details["parts"] == [[0, 1, 0, 1, 0]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["extrapolate"], "Did you mean 'extrapolation'"),
        ([], "Which claim"),
        (["interpolation", "--seeds", "0"], "`seeds` is from 1"),
    ],
)
def test_what_is_wrong_is_said(words, said, capsys, tmp_path):
    assert main(["reproduce", *words, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("file", CLAIM_FILES, ids=lambda file: file.stem)
def test_a_claim_is_a_leaf(file):
    """It imports no other claim."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    imported = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    imported += [f"{n.module}.{a.name}" for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names]
    assert "subitize.reproduce.Claim" in imported
    assert not [name for name in imported if name.startswith("subitize.claims")]
