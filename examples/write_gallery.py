"""Put one picture of each of several counts beside each other, with what was found in it.

    python examples/write_gallery.py docs/gallery.png counts-of-coins counts-of-nuclei

Of each folder of counts the picture with the most objects is shown.
"""

import csv
import sys
from pathlib import Path

from PIL import Image

from subitize.evaluation.images import image_places
from subitize.evaluation.tables import as_name

HEIGHT, COLUMNS, GAP = 400, 3, 8  # pixels of a picture, pictures in a row, pixels between them


def main(target: Path, folders: list[Path]) -> None:
    """Draw the gallery."""
    pictures = [scaled(Image.open(fullest(folder)).convert("RGB")) for folder in folders]
    rows = [pictures[i : i + COLUMNS] for i in range(0, len(pictures), COLUMNS)]
    width = max(sum(each.width + GAP for each in row) - GAP for row in rows)
    gallery = Image.new("RGB", (width, len(rows) * (HEIGHT + GAP) - GAP), "white")
    for number, row in enumerate(rows):
        left = 0
        for each in row:
            gallery.paste(each, (left, number * (HEIGHT + GAP)))
            left += each.width + GAP
    gallery.quantize(255).save(target, optimize=True)


def fullest(folder: Path) -> Path:
    """The overlay of the picture in which most objects were counted."""
    with (folder / "counts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    places = image_places([as_name(row["file"]) for row in rows], ".png")
    counts = [int(row["count"] or 0) for row in rows]
    return folder / "overlays" / places[counts.index(max(counts))]


def scaled(picture: Image.Image) -> Image.Image:
    """A picture of the gallery's height."""
    return picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
