"""The loop is exact: stopped, resumed, rolled back or started again, it does what it says."""

import json
import os
import signal
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from subitize.core.errors import DivergedError
from subitize.scenes import Digits
from subitize.training import checkpoint
from subitize.training.learner import Info, Learner
from subitize.training.loop import STREAK, Interrupted, Plan, fit

SCENES = Digits("train")
PLAN = Plan(steps=40, batch=2, seed=3, chunk=5, save_every=10)


class Walk(NamedTuple):
    step: jax.Array
    place: jax.Array
    skipped: jax.Array
    streak: jax.Array


def walk(bad=lambda step, noise: jnp.asarray(False)):
    """A learner that adds up what it sees: any change of order, scene or noise changes its sum."""

    def init(key, images):
        zero = jnp.zeros((), jnp.int32)
        return Walk(zero, jr.normal(key, (3,)), zero, zero)

    def step(state, images, key):
        noise = jr.normal(key, (3,))
        finite = ~bad(state.step, noise)
        moved = 0.9 * state.place + noise * images.mean()
        skip = (~finite).astype(jnp.int32)
        state = Walk(
            state.step + 1,
            jnp.where(finite, moved, state.place),
            state.skipped + skip,
            skip * (state.streak + skip),
        )
        return state, Info(moved.sum(), {"first": moved[0]}, finite)

    return Learner(init, step, lambda state, key, n: jnp.zeros((n, 1, 1, 1)))


def run(folder, learner=None, plan=PLAN, **options):
    folder.mkdir(exist_ok=True)
    return fit(learner or walk(), SCENES, plan, folder, **options)


def rows(folder):
    return (folder / "records.jsonl").read_bytes()


def test_a_resumed_run_is_the_same_to_the_last_bit(tmp_path):
    whole = run(tmp_path / "whole")

    def stop(row):
        if row.get("step") == 25:
            raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError):
        run(tmp_path / "cut", watch=stop)
    assert rows(tmp_path / "cut") != rows(tmp_path / "whole")
    resumed = run(tmp_path / "cut")
    assert np.array_equal(whole.place, resumed.place)
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")


def test_a_signal_saves_and_stops_with_its_own_exit_code(tmp_path):
    def stop(row):
        if row.get("step") == 15:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as stopped:
        run(tmp_path, watch=stop)
    assert stopped.value.exit_code == 143
    assert checkpoint.newest(tmp_path / "checkpoints").name == "000-00000015"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    run(tmp_path)
    assert json.loads(rows(tmp_path).splitlines()[-1])["step"] == 40


def test_one_infinite_step_is_skipped_and_counted(tmp_path):
    state = run(tmp_path, walk(lambda step, noise: step == 7))
    assert int(state.skipped) == 1
    assert np.isfinite(state.place).all()
    assert all(np.isfinite(json.loads(row)["loss"]) for row in rows(tmp_path).splitlines())


def test_a_streak_of_infinite_steps_goes_back_with_other_noise(tmp_path):
    root = jr.fold_in(jr.fold_in(jr.key(PLAN.seed), 0), 1)  # noise of the first attempt
    first = jnp.stack([jr.normal(jr.fold_in(root, step), (3,)) for step in range(PLAN.steps)])
    events = []
    learner = walk(lambda step, noise: (step >= 22) & jnp.all(noise == first[step]))
    state = run(tmp_path, learner, watch=events.append)
    assert any("going back" in (row.get("event") or "") for row in events)
    assert int(state.step) == PLAN.steps
    assert [json.loads(row)["attempt"] for row in rows(tmp_path).splitlines()] == [0] * 6 + [1] * 2


def test_what_stays_infinite_is_given_up(tmp_path):
    with pytest.raises(DivergedError, match=f"{STREAK} steps in a row") as error:
        run(tmp_path, walk(lambda step, noise: step >= 12))
    assert error.value.exit_code == 6


def test_a_failed_run_starts_again_once_allowed(tmp_path):
    def inspect(state, step):
        return {"failed": "It saw nothing." if step == 20 else None}

    events = []
    run(tmp_path, plan=Plan(40, 2, 3, 5, 10, restarts=1), inspect=inspect, watch=events.append)
    attempts = [json.loads(row)["attempt"] for row in rows(tmp_path).splitlines()]
    assert attempts == [0] * 4 + [1] * 8
    said = [e["event"] for e in events if e.get("event")]
    assert sum("Starting again" in text for text in said) == 1
    assert sum("No restart is left" in text for text in said) == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest"])
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
        (saves / f"{newest}.json").write_text("{")
    events = []
    resumed = run(tmp_path / "hurt", watch=events.append)
    assert any("Set aside" in (e.get("event") or "") for e in events)
    assert (saves / f"bad-{newest}").exists()
    assert np.array_equal(whole.place, resumed.place)


def test_a_folder_that_was_never_finished_is_not_a_checkpoint(tmp_path):
    run(tmp_path, plan=Plan(10, 2, 3, 5, 10))
    (tmp_path / "checkpoints" / "000-00000099").mkdir()
    run(tmp_path)
    assert not (tmp_path / "checkpoints" / "000-00000099").exists()


def test_only_the_newest_checkpoints_stay(tmp_path):
    run(tmp_path)
    assert len(checkpoint.names(tmp_path / "checkpoints")) == checkpoint.KEEP
