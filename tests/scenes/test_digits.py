"""The bundled digits are the same bytes on every machine: runs, weights and figures are compared by them."""

import hashlib

import jax
import numpy as np
import pytest

from subitize.scenes.digits import Digits, bundled

BYTES = "2ef20adbde90"  # beginning of the SHA-256 of all 1,797 pictures


@pytest.mark.parametrize("double", [False, True])
def test_bundled_digits_are_the_same_bytes_in_every_precision(double):
    with jax.enable_x64(double):
        pictures, classes = bundled.__wrapped__()
    assert pictures.shape == (1797, 28, 28)
    assert hashlib.sha256(pictures.tobytes()).hexdigest().startswith(BYTES)
    assert classes.tolist()[:10] == list(range(10))


def test_splits_share_no_digit():
    train, test = Digits("train"), Digits("test")
    pictures, _ = bundled()
    np.testing.assert_array_equal(np.concatenate([train.pictures, test.pictures]), pictures)
