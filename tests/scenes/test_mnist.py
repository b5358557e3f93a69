"""MNIST's files: found, refused when damaged, downloaded with a checksum, and never mixed between splits."""

import gzip
import hashlib
import http.server
import struct
import threading

import numpy as np
import pooch
import pytest

from subitize.core.errors import NoInputError
from subitize.scenes import MNIST, idx
from subitize.scenes.idx import read_idx
from subitize.scenes.mnist import FILES


def as_idx(values):
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_mnist(folder, *, zipped=True, n=12):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for number, names in enumerate(FILES.values()):
        images = rng.integers(0, 256, (n + number, 28, 28)).astype(np.uint8)
        for name, values in zip(names, (images, np.arange(n + number).astype(np.uint8) % 10), strict=True):
            raw = as_idx(values)
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(raw) if zipped else raw)


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No data, an empty cache, and no mirror."""
    monkeypatch.setenv("SUBITIZE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setattr(idx, "MIRRORS", ("http://127.0.0.1:9/",))  # the discard port: refused at once
    return tmp_path


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["data/mnist", "cache/subitize/mnist"])
def test_files_are_found_plain_or_zipped_in_the_data_folder_or_the_cache(nowhere, place, zipped):
    write_mnist(nowhere / place, zipped=zipped)
    train, test = MNIST("train"), MNIST("test")
    assert train.pictures.shape == (12, 28, 28)
    assert test.pictures.shape == (13, 28, 28)
    assert train.pictures.dtype == np.uint8
    np.testing.assert_array_equal(train.classes[:11], [*range(10), 0])
    found = read_idx(next((nowhere / place).glob("t10k-images*")))
    np.testing.assert_array_equal(test.pictures, found)


def test_the_data_folder_goes_before_the_cache(nowhere):
    write_mnist(nowhere / "data/mnist", n=5)
    write_mnist(nowhere / "cache/subitize/mnist", n=7)
    assert len(MNIST().pictures) == 5


def test_the_default_is_the_scene_of_the_field(nowhere):
    write_mnist(nowhere / "data/mnist")
    layout = MNIST().layout
    assert (layout.height, layout.width, layout.counts, layout.overlap) == (50, 50, (0, 1, 2), "none")
    for error in (-3.0, -0.7, 0.0, 2.2):
        assert layout.size / (1 + layout.jitter * error) == pytest.approx(28 / (1.3 + 0.1 * error))
    assert layout.window == 28


def test_offline_says_where_to_put_the_files_and_what_needs_none(nowhere, capsys):
    with pytest.raises(NoInputError) as caught:
        MNIST("test")
    text = str(caught.value)
    assert str(nowhere / "data/mnist") in text
    assert str(nowhere / "cache/subitize/mnist") in text
    assert "`--scenes digits`, which needs no download" in text
    assert "127.0.0.1:9" in text
    assert caught.value.exit_code == 3
    assert capsys.readouterr().err.startswith("downloading t10k-images-idx3-ubyte.gz (1,602 kB) to ")


@pytest.fixture
def mirror(nowhere, monkeypatch):
    """A mirror on this machine that serves a small MNIST with checksums to match."""
    write_mnist(nowhere / "served")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=nowhere / "served")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sums = {f.stem: hashlib.sha256(f.read_bytes()).hexdigest() for f in (nowhere / "served").iterdir()}
    monkeypatch.setattr(idx, "MIRRORS", ("http://127.0.0.1:9/", f"http://127.0.0.1:{server.server_port}/"))
    monkeypatch.setattr(idx, "SHA256", sums)
    yield nowhere
    server.shutdown()
    server.server_close()


def test_a_download_says_so_once_and_is_kept(mirror, capsys):
    assert len(MNIST("test").pictures) == 13
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == [f"{name}.gz" for name in FILES["test"]]
    kept = sorted(file.name for file in (mirror / "cache/subitize/mnist").iterdir())
    assert kept == sorted(f"{name}.gz" for name in FILES["test"])
    assert len(MNIST("test").pictures) == 13
    assert capsys.readouterr().err == ""


def test_the_wrong_bytes_are_not_kept(mirror):
    (mirror / "served" / "t10k-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(as_idx(np.zeros((3, 28, 28), "u1")))
    )
    with pytest.raises(NoInputError, match="hash"):
        MNIST("test")
    assert not list((mirror / "cache").rglob("*.gz"))


GOOD = as_idx(np.arange(2 * 28 * 28).reshape(2, 28, 28).astype(np.uint8))
DAMAGE = {
    "cut": (GOOD[:-5], r"\(2, 28, 28\) needs 1,568 values; it has 1,563"),
    "too long": (GOOD + b"x", "it has 1,569"),
    "no header": (GOOD[:3], "cut short after 3 bytes"),
    "cut in the sizes": (GOOD[:9], "cut short after 9 bytes"),
    "another type": (b"\0\0\x0d" + GOOD[3:], "starts with '00 00 0d'"),
    "a web page": (b"<html>not here</html>", "starts with '3c 68 74'"),
    "empty": (b"", "starts with ''"),
}


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_damaged_file_is_refused_by_name(tmp_path, case, zipped):
    raw, why = DAMAGE[case]
    file = tmp_path / ("images.gz" if zipped else "images")
    file.write_bytes(gzip.compress(raw) if zipped else raw)
    with pytest.raises(NoInputError, match=why) as caught:
        read_idx(file)
    assert str(caught.value).startswith(f"{file} is not a sound IDX file")


@pytest.mark.parametrize("keep", [10, 40, -9])
def test_a_gzip_cut_short_is_refused(tmp_path, keep):
    file = tmp_path / "images.gz"
    file.write_bytes(gzip.compress(GOOD)[:keep])
    with pytest.raises(NoInputError, match="not a sound IDX file"):
        read_idx(file)


def test_a_gzip_with_flipped_bits_is_refused(tmp_path):
    raw = bytearray(gzip.compress(np.random.default_rng(0).bytes(3000)))
    raw[1500] ^= 0x10
    (tmp_path / "images.gz").write_bytes(raw)
    with pytest.raises(NoInputError, match="not a sound IDX file"):
        read_idx(tmp_path / "images.gz")


def test_pictures_and_labels_must_belong_together(nowhere):
    write_mnist(nowhere / "data/mnist")
    file = nowhere / "data/mnist" / "train-labels-idx1-ubyte.gz"
    file.write_bytes(gzip.compress(as_idx(np.zeros(11, np.uint8))))
    with pytest.raises(NoInputError, match=r"one label for each.*holds \(11,\)"):
        MNIST()
