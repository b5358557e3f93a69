"""What `load` and the options say to somebody who asks for something else."""

import pytest

from subitize.core.errors import NoInputError, UsageError
from subitize.scenes import load

SENTENCES = {
    "no such word": (
        {"name_or_path": "digit"},
        "There are no scenes called 'digit'. Did you mean 'digits'? Use mnist, digits, sprites, "
        "dots, omniglot, bits, images, or the path of a folder of pictures.",
    ),
    "no such option": (
        {"name_or_path": "sprites", "count": (1, 2)},
        "Sprites has no option `count`. Did you mean 'counts'? "
        "It takes counts, canvas, size, jitter, overlap, channels.",
    ),
    "no such split": (
        {"name_or_path": "digits", "split": "tset"},
        "`split` is one of train, test; got 'tset'. Did you mean 'test'?",
    ),
    "nothing to count": (
        {"name_or_path": "digits", "counts": (0,)},
        "Digits: `counts` needs at least one number above 0, or every scene is empty and there is nothing to "
        "learn; got (0,). Write `counts=(0, 1, 2)`.",
    ),
    "negative count": (
        {"name_or_path": "digits", "counts": (-1, 2)},
        "Digits: `counts` lists how many objects a scene may hold, whole numbers from 0 up; got (-1, 2). "
        "Write `counts=(0, 1, 2)`.",
    ),
    "no counts": (
        {"name_or_path": "sprites", "counts": ()},
        "Sprites: `counts` lists how many objects a scene may hold, whole numbers from 0 up; got (). "
        "Write `counts=(0, 1, 2)`.",
    ),
    "too crowded": (
        {"name_or_path": "digits", "counts": range(9)},
        "Digits(counts=(0, 1, 2, 3, 4, 5, 6, 7, 8)) asks for up to 8 objects, but a 40×40 canvas "
        "with 18-pixel objects has room for about 4 without overlap. Use a larger canvas (`canvas=54`), "
        'smaller objects (`size=13`), or `overlap="any"`.',
    ),
    "larger than the canvas": (
        {"name_or_path": "digits", "canvas": 20, "size": 18},
        "Digits: objects of size 18 grow to 24 pixels with jitter=0.08, more than a 20×20 canvas. "
        "Use a larger canvas (`canvas=24`) or smaller objects (`size=15`).",
    ),
    "larger than the shorter side of the canvas": (
        {"name_or_path": "digits", "canvas": (20, 40), "size": 18},
        "Digits: objects of size 18 grow to 24 pixels with jitter=0.08, more than a 20×40 canvas. "
        "Use a larger canvas (`canvas=24`) or smaller objects (`size=15`).",
    ),
    "truth for a number": (
        {"name_or_path": "sprites", "counts": (True, 2)},
        "Sprites: `counts` lists how many objects a scene may hold, whole numbers from 0 up; got (True, 2). "
        "Write `counts=(0, 1, 2)`.",
    ),
    "tiny canvas": (
        {"name_or_path": "sprites", "canvas": 0},
        "Sprites: `canvas` is one side or (height, width), from 8 to 512 pixels each; got 0. "
        "Write `canvas=50`.",
    ),
    "three sides": (
        {"name_or_path": "sprites", "canvas": (20, 30, 3)},
        "Sprites: `canvas` is one side or (height, width), from 8 to 512 pixels each; got (20, 30, 3). "
        "Write `canvas=50`.",
    ),
    "negative size": (
        {"name_or_path": "sprites", "size": -3.0},
        "Sprites: `size` is the side of an object in pixels, at least 4; got -3.0.",
    ),
    "no number": (
        {"name_or_path": "sprites", "size": float("nan")},
        "Sprites: `size` is the side of an object in pixels, at least 4; got nan.",
    ),
    "wild jitter": (
        {"name_or_path": "sprites", "jitter": 0.9},
        "Sprites: `jitter` is the relative spread of an object's side, from 0 to 0.2; got 0.9.",
    ),
    "negative jitter": (
        {"name_or_path": "sprites", "jitter": -0.1},
        "Sprites: `jitter` is the relative spread of an object's side, from 0 to 0.2; got -0.1.",
    ),
    "two channels": (
        {"name_or_path": "sprites", "channels": 2},
        "Sprites: `channels` is 1 (grey) or 3 (colour); got 2.",
    ),
    "unknown rule": (
        {"name_or_path": "sprites", "overlap": "non"},
        "`overlap` is one of none, any; got 'non'. Did you mean 'none'?",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_bad_requests_are_answered_in_clear_sentences(case):
    options, sentence = SENTENCES[case]
    with pytest.raises(UsageError) as caught:
        load(**options)
    assert str(caught.value) == sentence
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("family", "counts"), [("digits", range(9)), ("sprites", (12,))])
def test_each_remedy_that_the_crowded_error_names_works(family, counts):
    with pytest.raises(UsageError) as caught:
        load(family, counts=counts)
    text = str(caught.value)
    canvas, size = (int(text.split(f"`{option}=")[1].split("`")[0]) for option in ("canvas", "size"))
    assert load(family, counts=counts, canvas=canvas).height == canvas
    assert load(family, counts=counts, size=size).layout.size == size
    assert load(family, counts=counts, overlap="any").layout.overlap == "any"


def test_a_path_that_is_not_there_is_no_input(tmp_path):
    with pytest.raises(NoInputError, match=r"there is no folder .*nowhere. Give one that exists"):
        load(tmp_path / "nowhere")


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"is a file. Give the folder it is in"):
        load(tmp_path / "a.png")


def test_counts_are_sorted_and_repetitions_ignored():
    assert load("sprites", counts=[2, 0, 2]).counts == (0, 2)
