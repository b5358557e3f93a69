"""What came out of a count, on one page?

A page of HTML without scripts that needs no other file: the total, histograms of counts and of sizes, and the
pictures, the most doubtful ones first, each with its interval, the classical methods and reasons for doubt.
"""

import base64
import heapq
import html
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from subitize.core.picture_files import COUNTS_TABLE, OBJECTS_TABLE, OVERLAYS
from subitize.evaluation.images import image_paths
from subitize.evaluation.reasons import meaning
from subitize.evaluation.tables import as_name, rows_of
from subitize.figures.style import ACCENT, INK, PAPER, QUIET, RULE, WINDOWS

SHOWN = 200  # pictures: the most doubtful ones
THUMBNAIL = 240  # pixels of the longer side
BARS, WIDE, HIGH = 24, 420, 120  # of a histogram, and its sides in pixels
STYLE = f"""
body {{ background: {PAPER}; color: {INK}; font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 68rem; padding: 0 1rem; }}
h1 {{ font-size: 1.7rem; margin: 0; }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem; }}
p {{ margin: .3rem 0; }} .quiet {{ color: {QUIET}; }} .doubt {{ color: {ACCENT}; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ border-top: 1px solid {RULE}; padding: .5rem .7rem .5rem 0; text-align: left;
  vertical-align: top; }}
td.number {{ text-align: right; }} td.count {{ font-size: 1.4rem; text-align: right; }}
img {{ display: block; max-width: {THUMBNAIL}px; }} td.file {{ overflow-wrap: anywhere; }}
.histograms {{ display: flex; flex-wrap: wrap; gap: 2rem; }} figure {{ margin: 0; }}
"""


class Tally(NamedTuple):
    """What the rows of a count come to.

    Attributes:
        counts: how often each count was found.
        states: how many pictures failed, are to review, or neither.
        reasons: how often each code was given.
        of_a_catalogue: whether a catalogue gave them.
    """

    counts: Counter[int]
    states: Counter[str]
    reasons: Counter[str]
    of_a_catalogue: bool


def report(folder: Path, about: Mapping[str, str]) -> Iterator[str]:
    """The page of a count, in pieces, from its tables and overlays.

    Args:
        folder: of the count.
        about: what else is to be said of it, by names: the model, the rule at the border, …
    """
    found = tally(folder)
    objects, pictures = sum(n * times for n, times in found.counts.items()), found.counts.total()
    title = f"{objects:,} objects in {pictures:,} {'picture' if pictures == 1 else 'pictures'}"
    yield f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n"
    yield f"<p>{found.states['review']} to review, {found.states['failed']} without a count.</p>\n"
    for name, value in about.items():
        yield f'<p class="quiet">{html.escape(name)}: {html.escape(value)}</p>\n'
    yield '<div class="histograms">'
    yield histogram(np.fromiter(found.counts.elements(), int), "objects in a picture")
    yield histogram(sizes(folder), "size of an object in pixels, the root of its box's area")
    yield "</div>\n"
    yield from reasons_by_number(found)
    yield from pictures_by_doubt(folder, found.states.total())
    yield "</body></html>\n"


def tally(folder: Path) -> Tally:
    """What the rows of a count come to."""
    counts, states, reasons, classical = Counter[int](), Counter[str](), Counter[str](), False
    for row in rows_of(folder, COUNTS_TABLE):
        states["failed" if row["status"] == "failed" else "review" if to_review(row) else "sure"] += 1
        classical |= row["watershed"] != ""  # a canvas asks no classical method
        reasons.update(filter(None, row["reason"].split(";")))
        if row["status"] == "ok":
            counts[int(row["count"])] += 1
    return Tally(counts, states, reasons, classical)


def sizes(folder: Path) -> np.ndarray:
    """The root of the area of each object's box, in pixels."""
    boxes = rows_of(folder, OBJECTS_TABLE)
    return np.fromiter(((float(row["w"]) * float(row["h"])) ** 0.5 for row in boxes), float)


def reasons_by_number(found: Tally) -> Iterator[str]:
    """The table of reasons for doubt and what they mean, the commonest first; nothing if there are none."""
    if not found.reasons:
        return
    yield "<h2>Reasons to look again</h2>\n<table>"
    for code, times in found.reasons.most_common():
        told = meaning(code, of_a_catalogue=found.of_a_catalogue)
        yield row_of(cell(f"{times:,}", "number"), cell(in_words(code), "doubt"), cell(told))
    yield "</table>\n"


def pictures_by_doubt(folder: Path, total: int) -> Iterator[str]:
    """The table of pictures, the most doubtful ones first."""
    shown = min(SHOWN, total)
    which = "" if shown == total else f": {shown} of {total:,}; all are in {COUNTS_TABLE}"
    yield f"<h2>Pictures, the most doubtful first{which}</h2>\n<table>"
    heads = ("", "file", "count", "90 % interval", "watershed", "log", "reasons to look again")
    yield row_of(*(f"<th>{head}</th>" for head in heads))
    names = [as_name(row["file"]) for row in rows_of(folder, COUNTS_TABLE)]
    there = (folder / OVERLAYS).is_dir()
    overlays = image_paths(folder / OVERLAYS, names) if there else [None] * len(names)
    numbered = zip(rows_of(folder, COUNTS_TABLE), overlays, strict=True)
    for row, overlay in heapq.nsmallest(SHOWN, numbered, key=lambda pair: doubt(pair[0])):
        yield row_of(
            f"<td>{thumbnail(overlay) if overlay and row['count'] else ''}</td>",
            cell(as_name(row["file"]), "file"),
            cell(row["count"] or "–", "count"),
            cell(f"{row['count_lo90']} – {row['count_hi90']}" if row["count"] else "", "number"),
            cell(row["watershed"], "number"),
            cell(row["log"], "number"),
            cell(in_words(row["reason"]), "doubt"),
        )
    yield "</table>\n"


def doubt(row: Mapping[str, str]) -> tuple[int, float]:
    """What sorts a row: without a count first, then those to review, the wider interval first."""
    if row["status"] == "failed":
        return (0, 0.0)
    width = int(row["count_hi90"]) - int(row["count_lo90"])
    return (1 if to_review(row) else 2, -width / max(1, int(row["count"])))


def to_review(row: Mapping[str, str]) -> bool:
    """Whether a person should look."""
    return row["needs_review"] == "true"


def row_of(*cells: str) -> str:
    """A row of a table."""
    return f"<tr>{''.join(cells)}</tr>\n"


def cell(text: str, kind: str = "") -> str:
    """A cell of a table."""
    return f'<td class="{kind}">{html.escape(text)}</td>'


def in_words(codes: str) -> str:
    """Codes for people."""
    return codes.replace(";", ", ").replace("_", " ")


def thumbnail(path: Path) -> str:
    """A small copy of an image, inside the page."""
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=80)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}">'


def histogram(values: np.ndarray, title: str) -> str:
    """A histogram as a drawing inside the page; nothing of no values."""
    if not len(values):
        return ""
    low, high = float(values.min()), float(values.max())
    each = -(-(int(high - low) + 1) // BARS)  # whole numbers in a bar, as many in all
    number = -(-(int(high - low) + 1) // each)
    heights, _ = np.histogram(values, number, (low - 0.5, low - 0.5 + number * each))
    wide = WIDE / number
    bars = "".join(
        f'<rect x="{i * wide:.1f}" y="{HIGH * (1 - share):.1f}" width="{max(wide - 1, 1):.1f}" '
        f'height="{HIGH * share:.1f}" fill="{WINDOWS[1]}"/>'
        for i, share in enumerate(heights / heights.max())
    )
    foot = HIGH + 15
    return (
        f"<figure><figcaption>{html.escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDE} {HIGH + 20}" width="{WIDE}" height="{HIGH + 20}" role="img">{bars}'
        f'<g font-size="12" fill="{QUIET}"><text y="{foot}">{low:.0f}</text>'
        f'<text x="{WIDE}" y="{foot}" text-anchor="end">{high:.0f}</text></g></svg></figure>\n'
    )
