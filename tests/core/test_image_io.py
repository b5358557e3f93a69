"""Real files of every kind that people have, good and bad, written by Pillow and by hand."""

import errno
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subitize.core import image_io
from subitize.core.image_io import STRANGE_SUFFIXES, Page, PictureError, pages_in, read_picture
from subitize.core.preprocess import to_channels

GREY = np.linspace(0, 255, 12 * 16).reshape(12, 16).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], -1)
LUMA = COLOUR @ np.array([0.299, 0.587, 0.114])
WIDE = np.linspace(0, 65535, 12 * 16).reshape(12, 16).astype(np.uint16)
ALPHA = np.full((12, 16), 128, np.uint8)


def rgba():
    return Image.fromarray(np.dstack([COLOUR, ALPHA]))


def palette(transparent=False):
    picture = Image.fromarray((GREY > 128).astype(np.uint8)).convert("P")
    picture.putpalette([10, 20, 30, 200, 100, 50])
    if transparent:
        picture.info["transparency"] = 0
    return picture


def table(*colours):
    return np.array(colours)[(GREY > 128).astype(int)]


# name: (file, picture, options of save, colour expected in 0..255, tolerance)
GOOD = {
    "grey": ("a.png", Image.fromarray(GREY), {}, GREY[..., None], 0.01),
    "rgb": ("a.png", Image.fromarray(COLOUR), {}, COLOUR, 0.01),
    "one bit": ("a.png", Image.fromarray(GREY > 128), {}, 255 * (GREY > 128)[..., None], 0.01),
    "palette": ("a.png", palette(), {}, table((10, 20, 30), (200, 100, 50)), 0.01),
    "palette with a hole": ("a.png", palette(transparent=True), {}, table((0, 0, 0), (200, 100, 50)), 0.01),
    "alpha": ("a.png", rgba(), {}, COLOUR * (128 / 255), 0.01),
    "grey with alpha": ("a.png", rgba().convert("LA"), {}, LUMA[..., None] * 128 / 255, 0.6),
    "16 bits": ("a.png", Image.fromarray(WIDE), {}, WIDE[..., None] / 257, 0.01),
    "16 bits, dark": ("a.png", Image.fromarray(WIDE // 2), {}, (WIDE // 2)[..., None] / 257, 0.01),
    "12 bits in 16": ("a.png", Image.fromarray(WIDE // 16), {}, (WIDE // 16)[..., None] / 257, 0.01),
    "16 bits tiff": ("a.tif", Image.fromarray(WIDE), {}, WIDE[..., None] / 257, 0.01),
    "16 bits pgm": ("a.pgm", Image.fromarray(WIDE), {}, WIDE[..., None] / 257, 0.01),
    "cmyk tiff": ("a.tif", Image.fromarray(COLOUR).convert("CMYK"), {}, COLOUR, 0.01),
    "cmyk jpeg": ("a.jpg", Image.new("CMYK", (16, 12), (0, 100, 200, 0)), {"quality": 95}, (255, 155, 55), 3),
    "jpeg": ("a.jpg", Image.fromarray(GREY), {"quality": 95}, GREY[..., None], 6),
    "bmp": ("a.bmp", Image.fromarray(COLOUR), {}, COLOUR, 0.01),
    "webp": ("a.webp", Image.fromarray(COLOUR), {"lossless": True}, COLOUR, 0.01),
    "float tiff": ("a.tif", Image.fromarray(GREY / np.float32(255)), {}, GREY[..., None], 0.01),
    "float beyond 1": ("a.tif", Image.fromarray(GREY * np.float32(10)), {}, GREY[..., None], 0.01),
    "32 bits": ("a.tif", Image.fromarray(GREY.astype(np.int32) * 2000), {}, GREY[..., None], 0.01),
    "animated gif": (
        "a.gif",
        Image.fromarray(GREY),
        {"save_all": True, "append_images": [Image.new("L", (16, 12), 9)]},
        GREY[..., None],
        0.01,
    ),
    "many tiff pages": (
        "a.tiff",
        Image.fromarray(GREY),
        {"save_all": True, "append_images": [Image.new("L", (99, 98), 9)]},
        GREY[..., None],
        0.01,
    ),
    "wrong suffix": ("a.jpg", Image.fromarray(GREY), {"format": "PNG"}, GREY[..., None], 0.01),
}


@pytest.mark.parametrize("case", GOOD)
@pytest.mark.parametrize("channels", [1, 3])
def test_good_pictures_give_their_pixels(tmp_path, case, channels):
    name, picture, options, expected, tolerance = GOOD[case]
    picture.save(tmp_path / name, **options)
    found = to_channels(read_picture(tmp_path / name).pixels, channels)
    expected = np.broadcast_to(expected, (12, 16, np.shape(expected)[-1]))
    if expected.shape[-1] == 3 and channels == 1:
        expected = (expected @ np.array([0.299, 0.587, 0.114]))[..., None]
    assert found.dtype == np.float32
    assert found.shape == (12, 16, channels)
    assert 0 <= found.min() <= found.max() <= 1
    np.testing.assert_allclose(255 * found, np.broadcast_to(expected, found.shape), atol=tolerance)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_camera_held_sideways_is_set_upright(tmp_path, orientation, suffix):
    """Row 0 and column 0 of the file are, by the EXIF standard, at these edges of what was seen."""
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).T,
        8: np.rot90,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(GREY).save(tmp_path / f"a.{suffix}", exif=exif)
    found = read_picture(tmp_path / f"a.{suffix}").pixels[..., 0]
    np.testing.assert_allclose(255 * found, undo[orientation](GREY), atol=0.01)


def png_header(width, height):
    """A PNG that announces a size and has next to no pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 99))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def encoded(tmp_path, name, picture=None, **options):
    file = tmp_path / f"source-{name}"
    (picture or Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype("u1"))).save(
        file, **options
    )
    return file.read_bytes()


BAD = {
    "cut png": ("truncated", lambda t: encoded(t, "a.png")[:3000]),
    "cut jpeg": ("truncated", lambda t: encoded(t, "a.jpg")[:1500]),
    "cut tiff": ("not_a_picture", lambda t: encoded(t, "a.tif", compression="tiff_deflate")[:1500]),
    "cut webp": ("damaged", lambda t: encoded(t, "a.webp", lossless=True)[:1500]),
    "cut bmp": ("truncated", lambda t: encoded(t, "a.bmp")[:1500]),
    "broken zlib": ("damaged", lambda t: encoded(t, "a.png").replace(b"IDATx", b"IDATy")),
    "0 bytes": ("empty", lambda t: b""),
    "text": ("not_a_picture", lambda t: b"hello, I am a text file\n" * 9),
    "web page": ("not_a_picture", lambda t: b"<html><body>404</body></html>"),
    "svg": ("not_a_picture", lambda t: b"<svg xmlns='http://www.w3.org/2000/svg'></svg>"),
    "postscript": ("not_a_picture", lambda t: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n"),
    "zip": ("not_a_picture", lambda t: b"PK\x03\x04" + b"\0" * 99),
    "1x1": ("too_small", lambda t: encoded(t, "a.png", Image.new("L", (1, 1)))),
    "1x20000": ("too_small", lambda t: encoded(t, "a.png", Image.new("L", (1, 20000)))),
    "7 rows": ("too_small", lambda t: encoded(t, "a.png", Image.new("L", (300, 7)))),
    "20000x20000": ("too_large", lambda t: png_header(20000, 20000)),
    "10000x10000": ("too_large", lambda t: png_header(10000, 10000)),
    "8001x8000": ("too_large", lambda t: png_header(8001, 8000)),
    "65535x65535": ("too_large", lambda t: png_header(65535, 65535)),
    "few pixels": ("truncated", lambda t: png_header(100, 100)),
    "nan tiff": ("not_finite", lambda t: encoded(t, "a.tif", Image.fromarray(np.full((9, 9), np.nan, "f4")))),
    "inf tiff": ("not_finite", lambda t: encoded(t, "a.tif", Image.fromarray(np.full((9, 9), np.inf, "f4")))),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_get_a_reason_and_one_line(tmp_path, case, capfd):
    reason, content = BAD[case]
    file = tmp_path / "a.png"
    file.write_bytes(content(tmp_path))
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        with pytest.raises(PictureError) as caught:
            read_picture(file)
    assert caught.value.reason == reason
    assert caught.value.exit_code == 4
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)
    assert not leaked
    assert capfd.readouterr() == ("", "")


def test_a_size_beyond_the_limit_is_told_before_decoding(tmp_path):
    (tmp_path / "a.png").write_bytes(png_header(9000, 8000))
    with pytest.raises(PictureError) as caught:
        read_picture(tmp_path / "a.png")
    sentence = "a picture may have 64 million pixels; it has 9,000 x 8,000. Scale it down or cut it up."
    assert str(caught.value) == f"{tmp_path / 'a.png'}: {sentence}"


def test_what_is_no_file_gets_a_reason(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "nothing.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "folder.png").mkdir()
    for name, reason in {
        "pipe.png": "not_a_file",
        "link.png": "missing",
        "loop.png": "missing",
        "gone.png": "missing",
        "folder.png": "not_a_file",
        "nul\0.png": "missing",
        "x" * 300: "missing",
    }.items():
        with pytest.raises(PictureError) as caught:
            read_picture(tmp_path / name)
        assert caught.value.reason == reason, name
    with pytest.raises(PictureError, match="a link that points nowhere"):
        read_picture(tmp_path / "link.png")


@pytest.mark.parametrize(
    ("error", "reason", "says"),
    [
        (OSError(errno.EIO, "Input/output error"), "unreadable", "look whether its drive is there"),
        (OSError(errno.ESTALE, "Stale file handle"), "unreadable", "Stale file handle"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "missing", "no such file"),
        (OSError(errno.EINVAL, "Invalid argument"), "damaged", "save it again"),  # seeking, in a bad TIFF
    ],
)
@pytest.mark.parametrize("where", ["opened", "decode"])
def test_a_drive_that_goes_away_is_not_taken_for_a_damaged_picture(error, reason, says, where, monkeypatch):
    def fail(*_):
        raise error

    file = Path(__file__)
    monkeypatch.setattr(image_io, where, fail)
    with pytest.raises(PictureError, match=says) as caught:
        read_picture(file)
    assert caught.value.reason == reason


def test_a_file_on_a_drive_that_is_gone_when_it_is_looked_for(monkeypatch, tmp_path):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "stat", fail)
    with pytest.raises(PictureError) as caught:
        read_picture(str(tmp_path / "a.png"))
    assert caught.value.reason == "unreadable"


def test_a_file_that_may_not_be_opened_gets_a_reason(tmp_path, monkeypatch):
    """The superuser may open anything, so the refusal is staged where the file is opened."""
    Image.fromarray(GREY).save(tmp_path / "a.png")

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(PictureError, match="may not be opened; change its permissions") as caught:
        read_picture(tmp_path / "a.png")
    assert caught.value.reason == "unreadable"


def test_any_bytes_are_a_picture_or_a_picture_error(tmp_path):
    """Bits flipped, pieces cut out and rubbish put in: an array comes back, or the one error."""
    rng = np.random.default_rng(0)
    sources = [encoded(tmp_path, f"a.{s}") for s in ("png", "jpg", "gif", "tif", "bmp", "webp", "ppm")]
    refused = 0
    for trial in range(210):
        raw = bytearray(sources[trial % len(sources)])
        for at in rng.integers(0, min(len(raw), 300 if trial % 2 else len(raw)), 4):
            raw[at] = rng.integers(0, 256)
        del raw[rng.integers(0, len(raw)) :][: int(rng.integers(0, 40))]
        (tmp_path / "a.png").write_bytes(raw)
        try:
            found = read_picture(tmp_path / "a.png").pixels
            assert np.isfinite(found).all()
            assert found.shape[2] in (1, 3)
        except PictureError:
            refused += 1
    assert refused > 20


def test_a_name_in_no_encoding_is_read_and_can_be_printed(tmp_path):
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(file)
    assert read_picture(file).pixels.shape == (12, 16, 1)


@pytest.mark.parametrize("case", GOOD)
def test_bytes_are_read_as_the_file_is(tmp_path, case):
    name, picture, options, *_ = GOOD[case]
    picture.save(tmp_path / name, **options)
    found, again = read_picture((tmp_path / name).read_bytes()), read_picture(tmp_path / name)
    np.testing.assert_array_equal(found.pixels, again.pixels)
    assert found.remarks == again.remarks


@pytest.mark.parametrize("case", BAD)
def test_bad_bytes_get_the_same_reason_under_the_name_that_they_are_given(tmp_path, case):
    reason, content = BAD[case]
    with pytest.raises(PictureError) as caught:
        read_picture(content(tmp_path), "upload\x1b[2J\n.png")
    assert caught.value.reason == reason
    assert str(caught.value).startswith(r"upload\x1b[2J\n.png: ")


def stack(*levels):
    """A file of several pages."""
    first, *others = [Image.new("L", (16, 12), level) for level in levels]
    return first, {"save_all": True, "append_images": others} if others else {}


@pytest.mark.parametrize("suffix", ["tif", "gif", "webp", "png"])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_pages_that_are_not_read_are_told(tmp_path, suffix, number):
    picture, options = stack(*(40 * i for i in range(number)))
    picture.save(tmp_path / f"a.{suffix}", **options)
    found = read_picture(tmp_path / f"a.{suffix}")
    assert found.remarks == (() if number == 1 else (f"first_of_{number}_pages",))
    assert found.pixels.max() == 0


def test_the_previews_of_a_camera_are_no_pages(tmp_path):
    picture, options = stack(99, 50)
    picture.save(tmp_path / "a.jpg", "MPO", **options)
    with Image.open(tmp_path / "a.jpg") as two:
        assert two.n_frames == 2  # pyright: ignore[reportAttributeAccessIssue]
    assert read_picture(tmp_path / "a.jpg").remarks == ()


def of_range(low, high, kind):
    values = np.linspace(low, high, 12 * 16).reshape(12, 16).astype(kind)
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("picture", "remarks"),
    [
        (of_range(0, 235, np.uint16), ("narrow_range",)),
        (of_range(1600, 1900, np.uint16), ("narrow_range",)),
        (of_range(0, 4095, np.uint16), ("narrow_range",)),
        (of_range(0, 4096, np.uint16), ()),
        (of_range(61440, 65535, np.uint16), ("narrow_range",)),
        (of_range(700, 700, np.uint16), ()),
        (of_range(0, 0.06, np.float32), ("narrow_range",)),
        (of_range(0, 0.07, np.float32), ()),
        (of_range(0, 3000, np.float32), ()),
        (of_range(0, 5, np.uint8), ()),
        (of_range(0, 3000, np.int32), ("narrow_range",)),
    ],
)
def test_a_wide_file_that_hardly_uses_its_range_is_told(tmp_path, picture, remarks):
    picture.save(tmp_path / "a.tif")
    assert read_picture(tmp_path / "a.tif").remarks == remarks


def test_a_transparent_sheet_lies_on_the_ground_on_which_its_marks_are_seen(tmp_path):
    sheet, grey = np.zeros((12, 16, 4), np.uint8), GREY / np.float32(255)
    for name, colour, alpha, seen in (
        ("black marks", 0, GREY, 1 - grey),
        ("white marks", 255, GREY, grey),
        ("dark marks", 51, GREY, 1 - 0.8 * grey),
        ("nothing", 0, 0, 0 * grey),
        ("a black sheet", 0, 255, 0 * grey),
    ):
        sheet[..., :3], sheet[..., 3] = colour, alpha
        Image.fromarray(sheet).save(tmp_path / "a.png")
        found = read_picture(tmp_path / "a.png")
        assert found.remarks == ()
        np.testing.assert_allclose(found.pixels, np.repeat(seen[..., None], 3, -1), atol=1e-6, err_msg=name)


def of_pages(path: Path, sides=(12, 12, 12)) -> Path:
    """A file of pages; page i has the value i + 1 in its row i."""
    pages = []
    for i, side in enumerate(sides):
        values = np.zeros((side, 16), np.uint8)
        values[i] = 51 * (i + 1)
        pages.append(Image.fromarray(values))
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


@pytest.mark.parametrize("suffix", ["tif", "gif", "png", "webp"])
def test_each_page_of_a_file_is_read(tmp_path, suffix):
    file = of_pages(tmp_path / f"a.{suffix}")
    assert pages_in(file) == 3
    for i in range(3):
        page = read_picture(Page(file, i))
        brightest = page.pixels.max(-1).mean(1).argmax()
        assert brightest == i
        assert page.remarks == ()
    most = read_picture(Page(file, None)).pixels.max(-1).mean(1)
    assert (most[:3] > 0.15).all()
    assert (most[3:] < 0.1).all()


def test_a_page_that_is_gone_and_pages_of_several_sizes_are_told(tmp_path):
    file = of_pages(tmp_path / "a.tif", (12, 14))
    with pytest.raises(PictureError, match="page 3 is needed, and it has 2") as error:
        read_picture(Page(file, 2))
    assert error.value.reason == "no_such_page"
    with pytest.raises(PictureError, match="differ in size") as error:
        read_picture(Page(file, None))
    assert error.value.reason == "pages_differ"
    assert read_picture(Page(file, 1)).pixels.shape == (14, 16, 1)


def test_what_cannot_be_read_has_one_page(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*")
    assert pages_in(tmp_path / "a.tif") == 1
    assert pages_in(tmp_path / "none.tif") == 1


@pytest.mark.parametrize("suffix", STRANGE_SUFFIXES)
def test_formats_that_are_not_read_are_named(tmp_path, suffix, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    monkeypatch.setattr(image_io.importlib.util, "find_spec", lambda name: None)
    (tmp_path / f"a{suffix}").write_bytes(b"what only its own program knows")
    with pytest.raises(PictureError, match="this format is not read: ") as error:
        read_picture(tmp_path / f"a{suffix}")
    assert error.value.reason == "unknown_format"


@pytest.mark.parametrize("suffix", ["jp2", "avif", "heic", "HEIF"])
def test_further_formats_are_read(tmp_path, suffix):
    image_io.formats_of(f"a.{suffix}")  # a plugin writes too
    values = np.zeros((32, 48), np.uint8)
    values[8:24, 16:32] = 200
    Image.fromarray(values).convert("RGB").save(tmp_path / f"a.{suffix}", quality=95)
    found = read_picture(tmp_path / f"a.{suffix}").pixels.mean(-1)
    np.testing.assert_allclose(found, values / 255, atol=0.1)


def test_reading_and_preparing_pictures_does_not_import_jax():
    code = "import sys, subitize.core.preprocess; sys.exit('jax' in sys.modules)"
    source = str(Path(image_io.__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": source}).returncode == 0


def test_many_readers_at_once_agree(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(read_picture(tmp_path / "a.png").pixels))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for values in found:
        np.testing.assert_array_equal(values, found[0])
