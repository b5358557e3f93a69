"""How much does an installation bring along?

Each library is installed into an empty folder with all that it asks for, by pip alone: TensorFlow without
what it needs for a GPU, PyTorch as it comes. Packages are counted and their files measured.

    python benchmarks/install_size.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from common import arguments, publish

WORDS = {
    "subitize": [str(Path(__file__).parent.parent)],
    "StarDist": ["stardist", "tensorflow-cpu"],
    "Cellpose": ["cellpose"],
}
TINY = {"filelock": ["filelock"]}


def main() -> None:
    """Install each, and write the result."""
    args = arguments(__doc__)
    publish(
        args.out, "install_size", {name: size_of(own) for name, own in (TINY if args.tiny else WORDS).items()}
    )


def size_of(words: list[str]) -> dict[str, int]:
    """Packages and megabytes of an installation."""
    with tempfile.TemporaryDirectory() as name:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--target",
            name,
            *words,
        ]
        subprocess.run(command, check=True)
        size = sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file())
        return {"packages": len(list(Path(name).glob("*.dist-info"))), "megabytes": round(size / 1e6)}


if __name__ == "__main__":
    main()
