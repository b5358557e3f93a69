"""How do estimators compare, at a glance?

A panel for each site: a bar for each estimator's work, on a logarithmic axis, the least on top.
Biased ones are hollow.
"""

import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from subitize.figures.style import ACCENT, INK, QUIET, RULE, blank, stacked, type_of
from subitize.gradients import EstimatorProfile

LINE, LABEL, WIDE, MARGIN = 24, 170, 560, 28
FLOOR = 1e-4  # of the largest work: what is below, such as exact with no variance at all, ends here


def draw_works(found: Mapping[str, Sequence[EstimatorProfile]]) -> Image.Image:
    """One picture below the other: the rows of each program, by its name."""
    return stacked([draw_work(rows, f"{name}: work of a gradient") for name, rows in found.items()])


def draw_work(rows: Sequence[EstimatorProfile], title: str) -> Image.Image:
    """Draw the panels.

    Args:
        rows: from `profile`.
        title: what was measured, in a few words.
    """
    sites = list(dict.fromkeys(row.site for row in rows))
    high = 2 * MARGIN + 30 + sum(LINE * (sum(r.site == s for r in rows) + 3) for s in sites)
    sheet, draw = blank(2 * MARGIN + LABEL + WIDE + 150, high)
    draw.text((MARGIN, MARGIN), title, fill=INK, font=type_of(20))
    y = MARGIN + 40
    for site in sites:
        own = sorted((row for row in rows if row.site == site), key=lambda row: row.work)
        y = draw_site(draw, own, y)
    return sheet


def draw_site(draw: ImageDraw.ImageDraw, own: Sequence[EstimatorProfile], y: int) -> int:
    """One panel; returns where it ends."""
    most = max(max(row.work for row in own), 1e-30)
    least = max(min(row.work for row in own), FLOOR * most)
    low, top = math.floor(math.log10(least)), math.ceil(math.log10(most))
    top += top == low

    def x_of(work: float) -> float:
        share = (math.log10(max(work, 10.0**low)) - low) / (top - low)
        return MARGIN + LABEL + WIDE * min(max(share, 0.0), 1.0)

    draw.text((MARGIN, y), f"site {own[0].site}", fill=INK, font=type_of(15))
    for power in range(low, top + 1):
        x = x_of(10.0**power)
        draw.line((x, y + LINE, x, y + LINE * (len(own) + 1)), fill=RULE)
        draw.text((x, y + LINE * (len(own) + 1) + 4), f"1e{power}", fill=QUIET, font=type_of(11), anchor="mt")
    for i, row in enumerate(own):
        middle = y + LINE * (i + 1.5)
        ink = INK if row.unbiased else QUIET
        draw.text((MARGIN + LABEL - 10, middle), row.caption, fill=ink, font=type_of(13), anchor="rm")
        box = (MARGIN + LABEL, middle - 7, max(x_of(row.work), MARGIN + LABEL + 2), middle + 7)
        draw.rectangle(box, fill=(ACCENT if i == 0 else INK) if row.unbiased else None, outline=ink)
        spent = f"{row.microseconds:.0f} us, {row.evaluations} runs"
        draw.text((box[2] + 8, middle), spent, fill=QUIET, font=type_of(11), anchor="lm")
    below = y + LINE * (len(own) + 1) + 18
    draw.text((MARGIN + LABEL, below), "work: (variance + data's) x seconds", fill=QUIET, font=type_of(11))
    return y + LINE * (len(own) + 3)
