"""What the commands say of a model whose answer to every picture is known.

`Columns` takes each run of bright columns for one object. So the rectangles that a test draws are the answer,
and every number, window and pixel can be written down beforehand.
"""

import csv
import json
from pathlib import Path
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from subitize import scenes
from subitize.cli.train import last_words
from subitize.core.counts import COUNT_PRIORS
from subitize.core.interfaces import DataSpec
from subitize.counter.inference import infer
from subitize.counter.learner import AIRLearner
from subitize.evaluation.pictures import count_pictures
from subitize.figures.board import board
from subitize.figures.scenes import overlay
from subitize.figures.showcase import showcase
from subitize.figures.style import WINDOWS
from subitize.models.air import AIR, AIRSettings, Step
from subitize.models.inference import Inference
from subitize.scenes import Folder, Scene
from subitize.scenes.base import AbstractScenes
from subitize.training import Recipe, Run

HEIGHT, WIDTH, MOST = 24, 32, 4
BRIGHT = 0.45
DIM = 99 / 255
KL = 2.0  # nats for every object
POSTERIOR = np.array(  # of 0 … 4 objects, where so many are seen
    [
        [0.95, 0.02, 0.01, 0.01, 0.01],
        [0.02, 0.55, 0.33, 0.07, 0.03],  # the mode is 1, and the mean 1.54
        [0.01, 0.01, 0.91, 0.05, 0.02],
        [0.31, 0.15, 0.05, 0.40, 0.09],  # the mode is 3, and the mean 1.81
        [0.01, 0.01, 0.01, 0.03, 0.94],
    ]
)
SETTINGS = AIRSettings(height=HEIGHT, width=WIDTH, channels=1, max_objects=MOST, object_size=8.0, what_dim=2)
SPEC = DataSpec(HEIGHT, WIDTH, 1)
DIGEST = "5e" * 32


class Columns(AIR):
    """Each run of bright columns is an object, seen through a window that is one pixel wider all around."""

    def __init__(self):
        self.settings, self.count_prior = SETTINGS, COUNT_PRIORS["geometric"](0.5)
        self.attention = self.encoder = self.decoder = None

    def seen(self, image):
        bright = image[..., 0] > BRIGHT
        columns = bright.any(0)
        begins = columns & ~jnp.concatenate([jnp.zeros(1, bool), columns[:-1]])
        run = jnp.cumsum(begins) * columns
        inside = run == jnp.arange(1, MOST + 1)[:, None]
        patches = image * (inside[:, None] & bright)[..., None]
        return jnp.minimum(begins.sum(), MOST), patches

    def infer(self, image):
        count, patches = self.seen(image)
        posterior = jnp.asarray(POSTERIOR, image.dtype)[count]
        inked = patches[..., 0] > 0
        columns, rows = inked.any(1), inked.any(2)
        x0, y0 = columns.argmax(1) - 1, rows.argmax(1) - 1
        x1, y1 = WIDTH - columns[:, ::-1].argmax(1) + 1, HEIGHT - rows[:, ::-1].argmax(1) + 1
        boxes = jnp.stack([x0, y0, x1, y1], -1).astype(image.dtype)
        return Inference(count, posterior, boxes, jnp.zeros((MOST, 2)), patches, patches.sum(0))

    def roll_out(self, image, draw):
        count, patches = self.seen(image)
        posterior = jnp.asarray(POSTERIOR, image.dtype)[count]
        tails = jnp.cumsum(posterior[::-1])[::-1]
        errors = jnp.sum((image - jnp.cumsum(patches, 0)) ** 2, (1, 2, 3))
        continue_logit = jnp.log(tails[1:] / posterior[:-1])
        nothing = jnp.zeros(MOST)
        return Step(
            continue_logit, jnp.zeros((MOST, 3)), jnp.zeros((MOST, 2)), patches, errors, nothing + KL, nothing
        )


class ColumnsLearner(AIRLearner):
    """A learner of which such a model is the weights."""

    def infer(self, params, images):
        return infer(params, images, Columns.infer)


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run of that model, which the commands open; what it was trained on may be chosen."""

    def make(**recipe: str) -> Run:
        trained = Recipe.of("air", max_objects=MOST, object_size=8.0, **recipe)
        learner = ColumnsLearner(**vars(trained.learner(SPEC)))
        run = Run(tmp_path / "known", trained, learner, Columns(), DIGEST)
        run.path.mkdir(exist_ok=True)
        (run.path / "records.jsonl").touch()
        for home in ("subitize.training", "subitize.training.run"):
            monkeypatch.setattr(f"{home}.open_run", lambda *_: run)
        return run

    return make


def painted(height: int, width: int, *rectangles: tuple[int, ...], ground: int = 0) -> np.ndarray:
    """Rectangles (x, y, width, height, brightness = 255) on a ground."""
    values = np.full((height, width), ground, np.uint8)
    for x, y, w, h, *brightness in rectangles:
        values[y : y + h, x : x + w] = brightness[0] if brightness else 255
    return values


PICTURES = {
    "blank.png": painted(30, 44),
    "clutter.png": painted(24, 32, (3, 2, 6, 4), (20, 3, 2, 1), (0, 14, 32, 10, 90)),
    "faint.png": painted(60, 40, (10, 30, 20, 8, 10)),
    "four.png": np.minimum(
        painted(24, 64, (2, 4, 8, 6), (18, 10, 4, 10), (30, 2, 6, 12), (50, 8, 10, 4))[..., None],
        np.array([255, 200, 0], np.uint8),  # orange
    ),
    "haze.png": painted(45, 60, ground=120),
    "missed.png": painted(24, 32, (2, 1, 4, 3), (10, 2, 3, 5), (20, 12, 8, 8, 99)),
    "more/pair.png": painted(48, 64, (6, 10, 12, 8), (40, 20, 8, 24)),
    "rounded.png": painted(26, 80, (8, 8, 17, 10)),  # brought to 10 x 32: pixels of 2.6 by 2.5
    "small.png": painted(12, 16, (1, 2, 2, 3), (5, 6, 3, 2), (12, 2, 2, 9)),
    "tall.png": painted(48, 32, (4, 30, 10, 6)),
    "uneven.png": painted(36, 48, (8, 10, 13, 16), (30, 3, 6, 21)),
}
NO_PICTURES = {"empty.png": b"", "text.png": b"this is no picture"}

COUNTS = """\
file,status,count,count_expected,count_lo90,count_hi90,confidence,watershed,log,edge,needs_review,reason,width,height
blank.png,ok,0,0.110,0,0,0.9500,,,,false,blank,44,30
clutter.png,ok,2,2.060,2,2,0.9100,,,,true,poor_reconstruction,32,24
empty.png,failed,,,,,,,,,true,empty,,
faint.png,ok,0,0.110,0,0,0.9500,,,,true,low_contrast;poor_reconstruction;unexplained_part,40,60
four.png,ok,4,3.880,4,4,0.9400,,,,true,at_max_count,64,24
haze.png,ok,1,1.540,1,3,0.5500,,,,true,blank,60,45
missed.png,ok,2,2.060,2,2,0.9100,,,,true,unexplained_part,32,24
more/pair.png,ok,2,2.060,2,2,0.9100,,,,false,,64,48
rounded.png,ok,1,1.540,1,3,0.5500,,,,true,low_confidence,80,26
small.png,ok,3,1.810,0,3,0.4000,,,,true,low_confidence,16,12
tall.png,ok,1,1.540,1,3,0.5500,,,,true,low_confidence,32,48
text.png,failed,,,,,,,,,true,not_a_picture,,
uneven.png,ok,2,2.060,2,2,0.9100,,,,false,,48,36
"""

# A window is an object and one pixel of the canvas all around. That is 2 pixels of a picture twice as large,
# and half a pixel of one half as large. In uneven.png it is 1.5, and edges fall on multiples of it.
OBJECTS = """\
file,id,x,y,w,h,score
clutter.png,1,2.0,1.0,8.0,6.0,0.9900
clutter.png,2,19.0,2.0,4.0,3.0,0.9800
four.png,1,0.0,2.0,12.0,10.0,0.9900
four.png,2,16.0,8.0,8.0,14.0,0.9800
four.png,3,28.0,0.0,10.0,16.0,0.9700
four.png,4,48.0,6.0,14.0,8.0,0.9400
haze.png,1,0.0,0.0,60.0,45.0,0.9800
missed.png,1,1.0,0.0,6.0,5.0,0.9900
missed.png,2,9.0,1.0,5.0,7.0,0.9800
more/pair.png,1,4.0,8.0,16.0,12.0,0.9900
more/pair.png,2,38.0,18.0,12.0,28.0,0.9800
rounded.png,1,5.0,5.2,22.5,15.6,0.9800
small.png,1,0.5,1.5,3.0,4.0,0.6900
small.png,2,4.5,5.5,4.0,3.0,0.5400
small.png,3,11.5,1.5,3.0,10.0,0.4900
tall.png,1,2.0,28.0,14.0,10.0,0.9800
uneven.png,1,6.0,9.0,16.5,18.0,0.9900
uneven.png,2,28.5,1.5,9.0,24.0,0.9800
"""


def write(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    for name, values in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / name)
    return folder


@pytest.fixture
def counted(known, said, tmp_path) -> tuple[Path, tuple[int, str, str]]:
    """The folder that `count` wrote, and what it said."""
    known()
    folder = write(tmp_path / "pictures", PICTURES)
    for name, content in NO_PICTURES.items():
        (folder / name).write_bytes(content)
    return tmp_path / "out", said("count", folder, "--model", "any", "--out", tmp_path / "out")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_every_number_of_every_picture_is_the_known_one(counted):
    out, (code, said, error) = counted
    found = rows(out / "counts.csv")
    clocks = {row["file"]: row["ms"] for row in rows(out / "timings.csv")}
    models = {(row.pop("model"), row.pop("model_sha256")) for row in found}
    for row in found:  # nobody has verified a count, so nothing is corrected
        own = row.pop("uncorrected_lo90"), row.pop("uncorrected_hi90")
        assert own == (row["count_lo90"], row["count_hi90"])
    assert found == table(COUNTS)
    assert models == {("known", DIGEST)}
    assert list(clocks) == [row["file"] for row in found]
    assert {name for name, ms in clocks.items() if ms == ""} == set(NO_PICTURES)
    assert all(float(ms) >= 0 for ms in clocks.values() if ms)
    assert said.splitlines()[-1] == "total: 18 objects in 11 pictures, 8 to review, 2 failed"
    assert code == 4
    assert error.count("subitize: ") == len(NO_PICTURES)
    assert all(name in error for name in NO_PICTURES)


def test_every_object_of_every_picture_is_the_known_one(counted):
    assert rows(counted[0] / "objects.csv") == table(OBJECTS)


def test_every_overlay_is_the_picture_with_its_windows_and_doubts(counted):
    for row in table(COUNTS):
        path = counted[0] / "overlays" / row["file"]
        assert path.exists() == (row["status"] == "ok")
        if path.exists():
            objects = [o for o in table(OBJECTS) if o["file"] == row["file"]]
            corners = np.array([[float(o[side]) for side in "xywh"] for o in objects]).reshape(-1, 4)
            corners[:, 2:] += corners[:, :2]
            values = np.atleast_3d(PICTURES[row["file"]]) / np.float32(255)
            note = row["reason"].replace("_", " ").replace(";", ", ")
            expected = overlay(values, corners, POSTERIOR[int(row["count"])], note=note)
            np.testing.assert_array_equal(Image.open(path), expected)


def test_windows_on_an_enlarged_overlay_are_where_the_objects_are(counted):
    drawn = np.asarray(Image.open(counted[0] / "overlays" / "more" / "pair.png"))
    for colour, window in zip(WINDOWS, [(4, 8, 20, 20), (38, 18, 50, 46)], strict=False):
        x0, y0, x1, y1 = (7 * edge for edge in window)  # 48 pixels become at least 320
        ink = (drawn == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(-1)
        below_its_tag, right_edge = ink[y0 + 1 : 336].any(0), ink[:, x1 - 1]
        assert np.flatnonzero(below_its_tag)[[0, -1]].tolist() == [x0, x1 - 1]
        assert np.flatnonzero(right_edge)[[0, -1]].tolist() == [y0, y1 - 1]


# How each way of bringing a picture to the canvas of 24 x 32 changes what is seen there.
FIT_PICTURES = {
    "large.png": painted(48, 64, (28, 20, 8, 6), (2, 2, 8, 4)),  # a crop loses the second one
    "small.png": painted(12, 16, (2, 3, 4, 2), (6, 3, 1, 2, 102), (7, 3, 4, 2)),  # the larger, the less gap
}
FIT_COUNTS = {"resize": [2, 1], "crop": [1, 2], "pad": [2, 2]}
INVERT_PICTURES = {
    "night.png": painted(24, 32, (2, 2, 4, 3), (20, 8, 3, 7)),
    "page.png": painted(24, 32, (2, 2, 4, 3, 0), (20, 8, 3, 7, 0), ground=255),
}
INVERT_COUNTS = {"auto": [2, 2], "always": [1, 2], "never": [2, 1]}  # a bright ground is one object


def counts(said, tmp_path, pictures, *options) -> list[int]:
    folder = write(tmp_path / "pictures", pictures)
    code, _, error = said("count", folder, "--model", "any", "--out", tmp_path / "out", *options)
    assert code == 0, error
    return [int(row["count"]) for row in rows(tmp_path / "out" / "counts.csv")]


@pytest.mark.parametrize(
    ("option", "pictures", "answers"),
    [("fit", FIT_PICTURES, FIT_COUNTS), ("invert", INVERT_PICTURES, INVERT_COUNTS)],
    ids=["fit", "invert"],
)
@pytest.mark.parametrize("asked", [None, 0, 1, 2])
@pytest.mark.parametrize("trained", [None, 0, 1, 2])
def test_pictures_are_prepared_as_in_training_or_as_asked(
    option, pictures, answers, trained, asked, known, said, tmp_path
):
    words = list(answers)
    known(**({} if trained is None else {option: words[trained]}))
    options = () if asked is None else (f"--{option}", words[asked])
    by_default = 0 if trained is None else trained
    expected = answers[words[by_default if asked is None else asked]]
    assert counts(said, tmp_path, pictures, *options) == expected


def test_a_deep_picture_is_as_bright_to_counting_as_to_training(known, said, tmp_path):
    deep = painted(24, 32, (2, 2, 4, 3), (20, 8, 3, 7, 128)).astype(np.uint16) * 160  # up to 40800 of 65535
    write(tmp_path / "pictures", {"a.png": deep, "b.png": deep})
    dataset = Folder(tmp_path / "pictures", canvas=(HEIGHT, WIDTH))
    seen = next(count_pictures(known(), [tmp_path / "pictures"]))
    np.testing.assert_array_equal(dataset.pictures[0, ..., 0], np.round(deep / 257))
    for channel in range(3):
        np.testing.assert_array_equal(seen.picture[..., channel], (deep / 65535).astype(np.float32))
    assert counts(said, tmp_path, {"a.png": deep}) == [1, 1]  # the second object has 20480: too dim


A, B = (2, 2, 4, 6), (9, 12, 4, 6)  # a window of 6 x 8 around them: they overlap by a half
HIGH, LOW, BOTH = (16, 2, 4, 4), (20, 4, 4, 8), (16, 2, 8, 10)  # that touch, and what they look like
FAR = (27, 15, 4, 6)
FIVE = ((0, 2, 4, 6), (6, 2, 4, 6), (12, 9, 4, 6), (18, 2, 4, 6), FAR)
KINDS = (  # of scenes: what is there, and what is seen
    ((), ()),
    ((A,), (A,)),
    ((A, B), (A, B)),
    ((HIGH, LOW), (BOTH,)),
    ((A, B, (*FAR, 99)), (A, B)),  # the third is too dim
    (FIVE, FIVE[:MOST]),
)


def scene_of(kind: int) -> Scene:
    objects, _ = KINDS[kind]
    boxes, labels = np.zeros((5, 4), np.float32), np.full(5, -1, np.int32)
    for i, (x, y, w, h, *_) in enumerate(objects):
        boxes[i], labels[i] = (x, y, x + w, y + h), 0
    image = painted(HEIGHT, WIDTH, *objects)[..., None] / np.float32(255)
    return Scene(image, np.int32(len(objects)), boxes, labels)


EVERY = jax.tree.map(lambda *parts: np.stack(parts), *map(scene_of, range(len(KINDS))))


class Kinds(AbstractScenes):
    """Scene i of seed s is of kind s + i, and they come round again; those to train on are all empty."""

    split: str = eqx.field(static=True)
    height: ClassVar[int] = HEIGHT
    width: ClassVar[int] = WIDTH
    channels: ClassVar[int] = 1
    counts: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 5)
    has_truth: ClassVar[bool] = True
    family: ClassVar[str] = "kinds"

    def __init__(self, split: str = "train"):
        self.split = split

    def options(self):
        return {}

    def scene(self, key):
        raise NotImplementedError("scenes are told by their number")

    def batch(self, seed, indices):
        kinds = (seed + indices) % len(KINDS) if self.split == "test" else 0 * indices
        return jax.tree.map(lambda part: jnp.asarray(part[kinds]), EVERY)


@pytest.fixture
def measured(known, monkeypatch) -> Run:
    """The run, with held-out scenes of every kind."""
    monkeypatch.setitem(scenes.DATASETS, "kinds", Kinds)
    return known(scenes="kinds")


def inference_of(kind: int) -> Inference:
    image, boxes = scene_of(kind).image, np.zeros((MOST, 4))
    patches = np.zeros((MOST, *image.shape), np.float32)
    for i, (x, y, w, h) in enumerate(KINDS[kind][1]):
        boxes[i] = x - 1, y - 1, x + w + 1, y + h + 1
        patches[i, y : y + h, x : x + w] = image[y : y + h, x : x + w]
    count = len(KINDS[kind][1])
    return Inference(np.array(count), POSTERIOR[count], boxes, np.zeros((MOST, 2)), patches, patches.sum(0))


def bound_of(kind: int) -> float:
    """Σ_n q(n) [log p(image | n) - n KL + log p(n) - log q(n)], in nats."""
    image, inferred = scene_of(kind).image, inference_of(kind)
    q, n, σ = inferred.posterior, np.arange(MOST + 1), SETTINGS.pixel_deviation
    errors = [np.sum((image - inferred.patches[:k].sum(0)) ** 2, dtype=float) for k in n]
    log_likelihood = -np.array(errors) / (2 * σ**2) - image.size * np.log(σ * np.sqrt(2 * np.pi))
    log_prior = np.log(0.5**n / np.sum(0.5**n))
    return float(q @ (log_likelihood - n * KL + log_prior - np.log(q)))


def test_val_prints_the_known_numbers(measured, said):
    code, out, error = said("val", "any", "--json", "--scenes-n", 9, "--seed", 2)
    assert code == 0, error
    kinds = [2, 3, 4, 5, 0, 1, 2, 3, 4]
    found = json.loads(out)
    elbo = found.pop("elbo")
    assert found == {
        "count_accuracy": pytest.approx(4 / 9),
        "accuracy_by_count": {"0": 1.0, "1": 1.0, "2": 0.5, "3": 0.0, "4": None, "5": 0.0},
        "confusion": [
            [1, 0, 0, 0, 0],
            [0, 1, 0, 0, 0],
            [0, 2, 2, 0, 0],
            [0, 0, 2, 0, 0],
            [0, 0, 0, 0, 0],
            [0, 0, 0, 0, 1],
        ],
        "coverage_90": pytest.approx(6 / 9),  # two that touch are one to three to it
        "interval_size": pytest.approx(15 / 9),
        # nine scenes are nine bins: 0, 1, two of kind 2, two of 3, two of 4, one of 5
        "calibration_error": pytest.approx((0.05 + 0.45 + 2 * 0.09 + 2 * 0.55 + 2 * 0.91 + 0.94) / 9),
        "negative_log_posterior": pytest.approx(
            -np.log([0.95, 0.55, 0.91, 0.91, 0.33, 0.33, 0.05, 0.05, 1e-12]).mean(), rel=1e-6
        ),
        "iou": pytest.approx((13 * 1 + 2 * 32 / 80) / 15),
        "recall_50": pytest.approx(13 / 20),
        "precision_50": pytest.approx(13 / 15),
        "iou_window": pytest.approx((13 * 24 / 48 + 2 * 32 / 120) / 15),
        "mean_p_count": pytest.approx((0.95 + 0.55 + 2 * 0.91 + 2 * 0.55 + 2 * 0.91 + 0.94) / 9),
        "mean_count": pytest.approx((0 + 1 + 2 * 2 + 2 * 1 + 2 * 2 + 4) / 9),
        "n": 9,
        "seed": 2,
        "run": str(measured.path),
        "model_sha256": DIGEST,
    }
    assert elbo == pytest.approx(np.mean([bound_of(kind) for kind in kinds]), rel=1e-5)


def test_val_prints_them_for_people_too(measured, said):
    _, out, _ = said("val", "any", "--scenes-n", 9, "--seed", 2)
    lines = [line.split() for line in out.splitlines()]
    for line in (
        "9 held-out scenes, seed 2",
        "counted right 44.44 %",
        "of scenes with 1 100.00 %",
        "of scenes with 2 50.00 %",
        "of scenes with 5 0.00 %",
        "true \\ counted 0 1 2 3 4",
        "2 0 2 2 0 0",
        "3 0 0 2 0 0",
        "5 0 0 0 0 1",
        "boxes, mean IoU 0.920",
        "90 % interval covers 66.67 %",
        "calibration error 0.504",
        "mean interval size 1.667 counts",
    ):
        assert line.split() in lines
    assert "of scenes with 4" not in out


def test_the_last_line_of_training_tells_the_known_numbers(measured):
    each = "0: 100.0 %, 1: 100.0 %, 2: 50.0 %, 3: 0.0 %, 5: 0.0 %"
    assert last_words(measured) == [f"held out: 50.2 % counted right ({each}) of 500 scenes"]


def shown(*kinds: int) -> Image.Image:
    """The board of scenes of these kinds."""
    images = np.stack([scene_of(kind).image for kind in kinds])
    results = jax.tree.map(lambda *parts: np.stack(parts), *map(inference_of, kinds))
    truth = np.array([len(KINDS[kind][0]) for kind in kinds])
    return board(images, results, truth, "kinds · held-out scenes")


def test_show_draws_held_out_scenes_with_what_is_seen_in_them(measured, said, tmp_path):
    code, out, error = said("show", "any", "--out", tmp_path / "board.png")
    assert code == 0, error
    assert out.splitlines()[-1] == f"picture: {tmp_path / 'board.png'}"
    chosen = [0, 0, 1, 1, 1, 2, 3, 2, 4, 4, 5, 5]  # kinds: two empty ones, else counts in turn
    np.testing.assert_array_equal(Image.open(tmp_path / "board.png"), shown(*chosen))


def test_held_out_scenes_of_another_seed_are_others(measured):
    chosen = [0, 0, 1, 1, 1, 3, 2, 3, 4, 4, 5, 5]  # from the third on, those with three come first
    np.testing.assert_array_equal(showcase(measured, seed=3), shown(*chosen))
