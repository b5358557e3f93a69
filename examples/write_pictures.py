"""Write held-out scenes as picture files, named by their true count: something to count.

python examples/write_pictures.py demo/pictures
"""

import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image

from subitize import scenes

SCENES, SEED = 24, 2026


def main(folder: Path) -> None:
    """Draw scenes of digits that no training scene contains, and save them enlarged as PNG."""
    batch = scenes.load("digits", "test").batch(SEED, jnp.arange(SCENES))
    folder.mkdir(parents=True, exist_ok=True)
    for number, (image, count) in enumerate(zip(batch.image, batch.count, strict=True)):
        pixels = (255 * np.asarray(image[..., 0])).round().astype(np.uint8)
        picture = Image.fromarray(pixels).resize((160, 160), Image.Resampling.BICUBIC)
        picture.save(folder / f"scene-{number:02d}-holds-{int(count)}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
