"""What is said to people."""

from pathlib import Path

import pytest

from subitize.core.errors import did_you_mean, printable


def test_did_you_mean_is_a_sentence_or_nothing():
    assert did_you_mean("Mnits", ["mnist", "digits"]) == " Did you mean 'mnist'?"
    assert did_you_mean("mnits", ["MNIST", "Digits"]) == " Did you mean 'MNIST'?"
    assert did_you_mean("xyz", ["mnist", "digits"]) == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Größe 20 µm.png", "Größe 20 µm.png"),
        ("a\nb.png", r"a\nb.png"),
        ("\x1b[2J\x07.png", r"\x1b[2J\x07.png"),
        ("a\x9b31m\x7f.png", r"a\x9b31m\x7f.png"),
        ("a\r\t.png", r"a\r\t.png"),
        ("gnp.\u202exe", r"gnp.\u202exe"),
        ("caf\udce9.png", "caf\N{REPLACEMENT CHARACTER}.png"),
        (Path("a/b.png"), "a/b.png"),
    ],
)
def test_a_name_cannot_steer_a_terminal(name, shown):
    assert printable(name) == shown
