"""Black-and-white digits: the same bits every time, as bright on average as the grey ones."""

import numpy as np
import pytest

from subitize.core.errors import UsageError
from subitize.scenes import BinarizedImages, Digits
from subitize.scenes.single_images import PARTS


def test_a_pixel_is_lit_as_often_as_it_is_bright():
    bits, grey = BinarizedImages("train", of="digits").vectors(), np.asarray(Digits("train").pictures)
    assert bits.shape == (len(grey), 784)
    assert set(np.unique(bits)) == {0, 1}
    brightness = grey.reshape(bits.shape) / 255
    assert np.all(np.asarray(bits)[brightness == 0] == 0)
    assert np.all(np.asarray(bits)[brightness == 1] == 1)
    away = (np.asarray(bits) - brightness).sum() / np.sqrt((brightness * (1 - brightness)).sum())
    assert abs(away) < 4


def test_the_bits_are_the_same_every_time_and_the_splits_share_none():
    train, again, test = (
        BinarizedImages("train", of="digits"),
        BinarizedImages("train", of="digits"),
        BinarizedImages("test", of="digits"),
    )
    assert np.array_equal(train.pictures, again.pictures)
    assert len(test.pictures) == len(Digits("test").pictures)
    assert not np.array_equal(train.pictures[: len(test.pictures)], test.pictures)


def test_each_training_digit_of_mnist_is_for_training_or_for_validation():
    (file, train), (again, valid) = (PARTS["mnist"][split] for split in ("train", "valid"))
    assert file == again == "train"
    assert [*range(60_000)[train], *range(60_000)[valid]] == list(range(60_000))


def test_a_scene_is_one_of_the_pictures():
    dataset = BinarizedImages("test", of="digits")
    images = dataset.batch(0, np.arange(5)).image
    assert images.shape == (5, dataset.height, dataset.width, dataset.channels)
    for image in np.asarray(images):
        assert any(np.array_equal(255 * image, picture) for picture in np.asarray(dataset.pictures))


@pytest.mark.parametrize("options", [{"of": "letters"}, {"split": "valid", "of": "digits"}, {"split": "all"}])
def test_what_does_not_exist_is_refused(options):
    with pytest.raises(UsageError):
        BinarizedImages(**options)
