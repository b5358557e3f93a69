"""The loop is exact: stopped, resumed, rolled back or started again, it does what it says."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from orbax.checkpoint import StandardCheckpointer

from subitize.core.bounds import LARGEST_SEED
from subitize.core.errors import CheckpointError, DiskFullError, DivergedError, UsageError
from subitize.core.sealed import seal, unseal
from subitize.gradients import expectation
from subitize.gradients.learner import GradientLearner
from subitize.scenes import Digits
from subitize.scenes.base import scenes_of
from subitize.training import checkpoint
from subitize.training.chunk import (
    MAX_NONFINITE_STEPS,
    Sampling,
    first_state,
    initialized,
    mean_where,
    run_chunk,
)
from subitize.training.loop import MAX_ROLLBACKS, RESTART_LR_FACTOR, STOPPING, Interrupted, best_state, fit
from subitize.training.plan import Notes, Plan
from subitize.training.records import training_seconds

SCENES = Digits("train")
PLAN = Plan(steps=40, batch_size=2, seed=3, steps_per_call=5, save_every=10)


class Walk(NamedTuple):
    step: jax.Array
    place: jax.Array
    scale: jax.Array


def never(step, noise):
    return jnp.asarray(False)


@dataclasses.dataclass(frozen=True)  # equal ones share what is compiled
class Walker:
    """A learner that adds up what it sees: any change of order, scene or noise changes its sum."""

    bad: Callable[[jax.Array, jax.Array], jax.Array] = never

    def init(self, key, batch, *, learning_rate_scale=1.0):
        return Walk(jnp.zeros((), jnp.int32), jr.normal(key, (3,)), jnp.asarray(learning_rate_scale))

    def step(self, state, batch, key):
        noise = jr.normal(key, (3,))
        moved = 0.9 * state.place + noise * batch.image.mean()
        moved = jnp.where(self.bad(batch.index[0] // PLAN.batch_size, noise), jnp.nan, moved)
        return state._replace(step=state.step + 1, place=moved), {"first": moved[0], "sum": moved.sum()}


def run(folder, learner=None, plan=PLAN, **options):
    folder.mkdir(exist_ok=True)
    return fit(learner or Walker(), SCENES, plan, folder, **options)


def rows(folder):
    return (folder / "records.jsonl").read_bytes()


def test_one_compilation_serves_every_seed(tmp_path):
    """The cache of compiled programs goes by their text, in which no seed may stand."""
    learner, data = Walker(), Sampling(2, replace=True, labels=False)
    state, batch = first_state(learner, data, SCENES, 3, 0), data.examples(SCENES, 3, jnp.arange(2))

    def texts(seed):
        programs = (
            scenes_of.program.lower(SCENES, seed, np.arange(2)),
            initialized.program.lower(learner, batch, seed, 0, 1.0),
            run_chunk.program.lower(learner, data, 5, SCENES, seed, 0, state),
        )
        return [program.as_text() for program in programs]

    assert texts(3) == texts(LARGEST_SEED)


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1])
def test_a_seed_that_the_device_cannot_hold_is_refused(seed):
    with pytest.raises(UsageError, match="`seed` is from 0"):
        Plan(40, 2, seed, 5, 10)


@pytest.mark.parametrize("seed", [3, 4])
def test_each_step_sees_the_next_scenes_of_the_seed(tmp_path, seed):
    """A program that learns nothing and reports how bright its pictures are, in a row for each step."""
    learner = GradientLearner(
        build=lambda key, batch: jnp.zeros(()),
        loss=expectation(lambda model, image, draw: (0.0 * model, {"light": image.mean()})),
        optimizer=optax.sgd(1.0),
        learning_rate=1.0,
    )
    run(tmp_path, learner, Plan(steps=6, batch_size=2, seed=seed, steps_per_call=1, save_every=6))
    found = [json.loads(row)["light"] for row in rows(tmp_path).splitlines()]
    light = SCENES.batch(seed, jnp.arange(12)).image.mean((1, 2, 3))
    np.testing.assert_allclose(found, light.reshape(6, 2).mean(1), rtol=1e-5)


def test_a_signal_while_it_begins_stops_it_before_the_first_step(tmp_path):
    def stop(row):
        if row.get("event") == "compiling...":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="SIGINT"):
        run(tmp_path, watch=stop)
    assert rows(tmp_path) == b""
    assert int(run(tmp_path).step) == PLAN.steps


@pytest.mark.parametrize("step", [5, 25], ids=["before anything is saved", "after"])
def test_a_resumed_run_is_the_same_to_the_last_bit(tmp_path, step):
    whole = run(tmp_path / "whole")

    def stop(row):
        if row.get("step") == step:
            raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError):
        run(tmp_path / "cut", watch=stop)
    assert rows(tmp_path / "cut") != rows(tmp_path / "whole")
    resumed = run(tmp_path / "cut")
    assert np.array_equal(whole.place, resumed.place)
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")


def test_a_full_disk_is_said_so_and_costs_no_more_than_the_steps_since(tmp_path, monkeypatch):
    class Full(StandardCheckpointer):
        def save(self, *_, **__):
            raise ValueError("RESOURCE_EXHAUSTED: Error writing: [os_error_code='28']")

    whole = run(tmp_path / "whole")
    run(tmp_path / "cut", plan=dataclasses.replace(PLAN, steps=10))
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "checkpointer", Full)
        with pytest.raises(DiskFullError, match="Make room"):
            run(tmp_path / "cut")
    assert checkpoint.newest(tmp_path / "cut" / "checkpoints").name == "000-00000010"
    assert np.array_equal(run(tmp_path / "cut").place, whole.place)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files there")
def test_of_a_full_disk_no_more_is_said_than_one_sentence(tmp_path):
    """Orbax has its own opinion, on the standard error of a real process."""
    code = (
        "import resource, sys; from pathlib import Path; import jax.numpy as jnp\n"
        "from subitize.training import checkpoint\n"
        "def save(name, n): checkpoint.save(Path(sys.argv[1]), name, {'a': jnp.arange(n)}, {'records': 0})\n"
        "save('000-00000001', 9)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: save('000-00000002', 1_000_000)\n"
        "except checkpoint.DiskFullError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "Make room" in done.stdout
    assert done.stderr == ""
    assert {path.name for path in tmp_path.iterdir()} == {"000-00000001", "000-00000001.json"}


def test_half_a_line_of_times_is_dropped(tmp_path):
    run(tmp_path, plan=dataclasses.replace(PLAN, steps=10))
    with (tmp_path / "timings.jsonl").open("a") as file:
        file.write('{"time": 17')
    run(tmp_path)
    assert training_seconds(tmp_path) > 0


def test_a_signal_saves_and_stops_with_its_own_exit_code(tmp_path):
    events = []

    def stop(row):
        events.append(row)
        if row.get("step") == 15:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as stopped:
        run(tmp_path, watch=stop)
    assert stopped.value.exit_code == 143
    assert [row["event"] for row in events if "stopping" in (row.get("event") or "")] == [STOPPING]
    assert checkpoint.newest(tmp_path / "checkpoints").name == "000-00000015"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    run(tmp_path)
    assert json.loads(rows(tmp_path).splitlines()[-1])["step"] == 40


def test_one_infinite_step_is_skipped_and_counted(tmp_path):
    state = run(tmp_path, Walker(lambda step, noise: step == 7))
    last = json.loads(rows(tmp_path).splitlines()[-1])
    assert last["skipped"] == 1
    assert int(state.step) == PLAN.steps - 1, "the skipped step left no trace"
    assert np.isfinite(state.place).all()
    assert all(np.isfinite(json.loads(row)["sum"]) for row in rows(tmp_path).splitlines())


def test_steps_that_are_infinite_now_and_then_are_no_streak(tmp_path):
    events = []
    state = run(tmp_path, Walker(lambda step, noise: step % 2 == 1), watch=events.append)
    assert int(state.step) == PLAN.steps / 2 >= MAX_NONFINITE_STEPS
    assert not any("going back" in (row.get("event") or "") for row in events)


def test_metrics_are_means_over_the_steps_that_were_kept():
    assert mean_where(jnp.array([True, False, True]), jnp.array([2.0, 100.0, 5.0])) == 3.5
    assert mean_where(jnp.array([False, False]), jnp.array([2.0, jnp.nan])) == 0


def first_noise():
    """The noise of each step of the first attempt."""
    root = jr.fold_in(jr.fold_in(jr.key(PLAN.seed), 0), 1)
    return jnp.stack([jr.normal(jr.fold_in(root, step), (3,)) for step in range(PLAN.steps)])


def test_a_streak_of_infinite_steps_goes_back_with_other_noise(tmp_path):
    first, events = first_noise(), []
    learner = Walker(lambda step, noise: (step >= 22) & jnp.all(noise == first[step]))
    run(tmp_path, learner, watch=events.append)
    assert any("going back" in (row.get("event") or "") for row in events)
    assert [json.loads(row)["attempt"] for row in rows(tmp_path).splitlines()] == [0] * 6 + [1] * 2


@pytest.mark.parametrize("since", [2, 22])
def test_a_run_that_was_asked_to_stop_goes_back_where_one_that_was_not_does(tmp_path, since):
    """What it saves when it stops is to go on from, not to go back to, and delays no other save."""
    first = first_noise()
    learner = Walker(lambda step, noise: (step >= since) & jnp.all(noise == first[step]))
    plan = dataclasses.replace(PLAN, save_every=20)
    whole = run(tmp_path / "whole", learner, plan)
    for stops in ((15,), (25, 30), (5, 10, 15, 20, 25, 30)):
        out, left = tmp_path / str(stops), set(stops)

        def stop(row, left=left):
            if row.get("step") in left:
                left.remove(row["step"])
                os.kill(os.getpid(), signal.SIGTERM)

        while left:
            with pytest.raises(Interrupted):
                run(out, learner, plan, watch=stop)
        resumed = run(out, learner, plan)
        assert rows(out) == rows(tmp_path / "whole")
        assert np.array_equal(resumed.place, whole.place)


def test_a_gradient_that_is_not_finite_is_not_followed_though_the_loss_is(tmp_path):
    learner = GradientLearner(
        build=lambda key, batch: jnp.zeros(()),
        loss=expectation(lambda model, image, draw: (jnp.sqrt(model), {})),
        optimizer=optax.sgd(1.0),
        learning_rate=1.0,
    )
    state = run(tmp_path, learner, Plan(steps=5, batch_size=2, seed=3, steps_per_call=5, save_every=5))
    assert state.model == 0
    assert json.loads(rows(tmp_path).splitlines()[-1])["skipped"] == 5


class Silent(Walker):
    """A walker whose metrics say nothing."""

    def step(self, state, batch, key):
        return super().step(state, batch, key)[0], {}


def test_a_state_that_is_not_finite_is_seen_without_a_metric_that_says_so(tmp_path):
    root = jr.fold_in(jr.fold_in(jr.key(PLAN.seed), 0), 1)
    first = jr.normal(jr.fold_in(root, 22), (3,))
    events = []
    learner = Silent(lambda step, noise: (step == 22) & jnp.all(noise == first))
    state = run(tmp_path, learner, watch=events.append)
    assert any("going back" in (row.get("event") or "") for row in events)
    assert np.isfinite(state.place).all()
    assert [json.loads(row)["attempt"] for row in rows(tmp_path).splitlines()] == [0] * 4 + [1] * 4


def test_what_stays_infinite_is_given_up(tmp_path):
    events = []
    with pytest.raises(DivergedError, match=f"{MAX_NONFINITE_STEPS} steps in a row") as error:
        run(tmp_path, Walker(lambda step, noise: step >= 12), watch=events.append)
    assert error.value.exit_code == 6
    assert "(first, sum)" in str(error.value)
    assert sum("going back" in (row.get("event") or "") for row in events) == MAX_ROLLBACKS


def test_a_failed_run_starts_again_once_allowed(tmp_path):
    def inspect(state, step):
        return {"failed": "It saw nothing." if step == 20 else None}

    events = []
    state = run(tmp_path, plan=Plan(40, 2, 3, 5, 10, restarts=1), inspect=inspect, watch=events.append)
    assert state.scale == RESTART_LR_FACTOR, "it learns more slowly than what failed"
    attempts = [json.loads(row)["attempt"] for row in rows(tmp_path).splitlines()]
    assert attempts == [0] * 4 + [1] * 8
    said = [e["event"] for e in events if e.get("event")]
    assert sum("Starting again" in text for text in said) == 1
    assert sum("No restart is left" in text for text in said) == 1


class Lossy(Walker):
    """A learner whose loss is where it began, which no step changes."""

    def init(self, key, batch, *, learning_rate_scale=1.0):
        return super().init(key, batch, learning_rate_scale=learning_rate_scale), jr.uniform(key)

    def step(self, state, batch, key):
        walk, metrics = super().step(state[0], batch, key)
        return (walk, state[1]), metrics | {"loss": state[1]}


TRIALS = dataclasses.replace(PLAN, seed=5, n_init=3)


def test_of_several_starts_the_one_of_lowest_loss_goes_on(tmp_path):
    events = []
    walk, began = run(tmp_path, Lossy(), TRIALS, watch=events.append)
    found = [json.loads(row) for row in rows(tmp_path).splitlines()]
    trials = [{row["loss"] for row in found if row["attempt"] == attempt} for attempt in range(3)]
    assert [len(losses) for losses in trials] == [1, 1, 1], "each start has a loss of its own"
    assert began == min(map(min, trials)), "the weights are of the best start"
    assert began != min(trials[-1]), "which is not the last here"
    # Each trial is 0.4 of 40 steps, in chunks of 5: 20 steps; what is left follows once.
    assert [row["attempt"] for row in found] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert [row["step"] for row in found[-4:]] == [25, 30, 35, 40]
    assert walk.step == 40
    assert any("number" in (event.get("event") or "") for event in events)


@pytest.mark.parametrize("kill_at", range(1, 17))
def test_a_resumed_run_with_several_starts_is_the_same_to_the_last_bit(tmp_path, kill_at):
    whole = run(tmp_path / "whole", Lossy(), TRIALS)
    seen = []

    def kill(row):
        if "step" in row:
            seen.append(row)
            if len(seen) == kill_at:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", Lossy(), TRIALS, watch=kill)
    resumed = run(tmp_path / "killed", Lossy(), TRIALS)
    assert all(
        np.array_equal(a, b) for a, b in zip(jax.tree.leaves(resumed), jax.tree.leaves(whole), strict=True)
    )
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")


def test_several_starts_need_a_loss(tmp_path):
    with pytest.raises(UsageError, match="n_init"):
        run(tmp_path, plan=TRIALS)


DAMAGED_MANIFESTS = {
    "no JSON": lambda manifest: b"{",
    "no text": lambda manifest: b"\xff" + manifest,
    "nested": lambda manifest: b"[" * 5000,
    "a list": lambda manifest: b"[]",
    "another attempt": lambda manifest: manifest.replace(b'"attempt": 0', b'"attempt": 7'),
    "no digest": lambda manifest: json.dumps({"files": {}, "notes": {}}).encode(),
    "other notes": lambda manifest: seal(unseal(manifest) | {"notes": {"records": 7}}),
    "notes of no kind": lambda manifest: seal({"files": {}, "notes": [1]}),
    "notes of another type": lambda manifest: seal({"files": {}, "notes": {"records": "7", "progress": {}}}),
}


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", *DAMAGED_MANIFESTS])
def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(tmp_path, damage):
    whole = run(tmp_path / "whole")
    run(tmp_path / "hurt", plan=Plan(30, 2, 3, 5, 10))
    saves = tmp_path / "hurt" / "checkpoints"
    newest = checkpoint.newest(saves).name
    victim = max((p for p in (saves / newest).rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    data = bytearray(victim.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
    elif damage == "cut":
        victim.write_bytes(data[: len(data) // 2])
    elif damage == "remove":
        victim.unlink()
    else:
        manifest = saves / f"{newest}.json"
        manifest.write_bytes(DAMAGED_MANIFESTS[damage](manifest.read_bytes()))
    events = []
    resumed = run(tmp_path / "hurt", watch=events.append)
    assert any("Set aside" in (e.get("event") or "") for e in events)
    assert (saves / f"bad-{newest}").exists()
    assert np.array_equal(whole.place, resumed.place)


def test_no_flipped_bit_of_a_manifest_makes_other_notes(tmp_path):
    run(tmp_path, plan=Plan(10, 2, 3, 5, 10))
    saves = tmp_path / "checkpoints"
    whole = checkpoint.newest(saves, understood=Notes.from_json)
    manifest = saves / f"{whole.name}.json"
    data, refused = manifest.read_bytes(), 0
    for bit in range(0, 8 * len(data), 7):
        manifest.write_bytes((int.from_bytes(data) ^ (1 << bit)).to_bytes(len(data)))
        try:
            assert checkpoint.verify(saves, whole.name, Notes.from_json) == whole
        except CheckpointError:
            refused += 1
    assert refused > len(data)  # of 8/7 of it; the others turned blanks


def test_a_folder_that_was_never_finished_is_not_a_checkpoint(tmp_path):
    run(tmp_path, plan=Plan(10, 2, 3, 5, 10))
    saves = tmp_path / "checkpoints"
    left_behind = [saves / name for name in ("000-00000099", "000-00000010.orbax-checkpoint-tmp-17")]
    for path in left_behind:
        path.mkdir()
    run(tmp_path)
    assert not any(path.exists() for path in left_behind)


def test_what_is_not_ours_among_checkpoints_is_left_alone(tmp_path):
    run(tmp_path, plan=Plan(10, 2, 3, 5, 10))
    saves = tmp_path / "checkpoints"
    for name in ("best so far", "000-00000010 of Monday", "2026-11-30"):
        (saves / name).mkdir()
        (saves / name / "years of work").touch()
        (saves / f"{name}.json").write_text("{}")
    events = []
    run(tmp_path, watch=events.append)
    assert len(list(saves.glob("*/years of work"))) == 3
    assert len(list(saves.glob("*.json"))) == 3 + checkpoint.KEEP
    assert not any("Set aside" in (row.get("event") or "") for row in events)


def test_only_the_newest_checkpoints_stay(tmp_path):
    run(tmp_path)
    assert len(checkpoint.names(tmp_path / "checkpoints")) == checkpoint.KEEP


def judged(*criteria):
    """What an inspector would say after each chunk, criteria given in their order."""
    return lambda state, step: {"criterion": criteria[step // PLAN.steps_per_call - 1]}


def test_the_best_checkpoint_is_kept_beside_the_newest(tmp_path):
    state = run(tmp_path, inspect=judged(float("nan"), 0.4, 0.2, 0.3, None, 0.2, 0.6, 0.5))
    names = checkpoint.names(tmp_path / "checkpoints")
    assert names == ["000-00000015", "000-00000035", "000-00000040"]
    short = run(tmp_path / "short", plan=Plan(15, 2, 3, 5, 10))
    assert np.array_equal(best_state(tmp_path, state).place, short.place)
    assert not np.array_equal(state.place, short.place)


@pytest.mark.parametrize(
    ("criteria", "best"),
    [((0.9, 0.4, 0.2, 0.3, 0.1, 0.2, 0.6, 0.5), 25), ((0.9, 0.4, 0.1, 0.3, 0.2, 0.2, 0.6, 0.5), 15)],
    ids=["after it was cut", "before"],
)
def test_the_best_of_a_resumed_run_is_the_best_of_the_whole(tmp_path, criteria, best):
    inspect = judged(*criteria)

    def stop(row):
        if row.get("step") == 20:
            raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError):
        run(tmp_path / "cut", inspect=inspect, watch=stop)
    resumed, whole = run(tmp_path / "cut", inspect=inspect), run(tmp_path / "whole", inspect=inspect)
    found = [best_state(tmp_path / name, state) for name, state in (("cut", resumed), ("whole", whole))]
    assert int(found[0].step) == best
    assert np.array_equal(found[0].place, found[1].place)


def test_what_was_best_before_a_restart_is_forgotten(tmp_path):
    def inspect(state, step):
        first = int(state.step) == step and not (tmp_path / "failed").exists()
        if first and step == 20:
            (tmp_path / "failed").touch()
            return {"failed": "It saw nothing.", "criterion": 0.0}
        return {"criterion": 0.5 if step == 10 else 0.7}

    state = run(tmp_path, plan=Plan(40, 2, 3, 5, 10, restarts=1), inspect=inspect)
    assert int(best_state(tmp_path, state).step) == 10


def test_without_a_criterion_the_best_is_the_last(tmp_path):
    state = run(tmp_path)
    assert best_state(tmp_path, state) is state


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 4}, "with another seed"),
        ({"batch_size": 3, "labels": True}, "with another batch_size and labels"),
        ({"steps": 30}, "that has made 40 steps already"),
    ],
)
def test_nobody_goes_on_with_what_another_began(tmp_path, other, said):
    run(tmp_path)
    before = rows(tmp_path)
    with pytest.raises(UsageError, match=said):
        run(tmp_path, plan=dataclasses.replace(PLAN, **other))
    assert rows(tmp_path) == before
    assert int(run(tmp_path, plan=dataclasses.replace(PLAN, steps=45)).step) == 45


def test_a_streak_in_the_middle_of_a_chunk_is_not_overlooked(tmp_path):
    """MAX_NONFINITE_STEPS infinite steps, and finite ones after them, all before the host looks again."""
    events = []
    with pytest.raises(DivergedError):
        run(
            tmp_path,
            Walker(lambda step, noise: (step >= 12) & (step < 12 + MAX_NONFINITE_STEPS)),
            Plan(40, 2, 3, 40, 40),
            watch=events.append,
        )
    assert sum("going back" in (row.get("event") or "") for row in events) > 0
