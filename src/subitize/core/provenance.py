"""Provenance: where, how and when a result was made, so that another can be told from it."""

import json
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax

from subitize.core.json import JSON
from subitize.core.threads import cores

PROVENANCE = "provenance.json"  # in a run folder


def provenance() -> JSON:
    """Versions, device, commit, command and day: where, how and when a result was made."""
    packages = ("subitize", "jax", "jaxlib", "equinox", "optax", "orbax-checkpoint", "numpy")
    return {
        "versions": {name: installed(name) for name in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device(),
        "commit": COMMIT,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "cpu": cpu(),
        "machine": platform.machine(),
        "date": date.today().isoformat(),
    }


def begun(folder: Path) -> JSON:
    """The provenance of a run; empty if it has none that can be read."""
    try:
        made = json.loads((folder / PROVENANCE).read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return made if isinstance(made, dict) and isinstance(made.get("versions", {}), dict) else {}


def changed_since(made: JSON) -> str:
    """What is not as a provenance has it, of all that may change the bits of a result; empty if nothing."""
    here, versions = provenance(), made.get("versions", {})
    pairs = {name: (versions.get(name), now) for name, now in here["versions"].items()}
    pairs |= {word: (made.get(word), here[word]) for word in ("commit", "device", "cpu")}
    return ", ".join(
        f"{name} was {before}, is {now}" for name, (before, now) in pairs.items() if before not in (None, now)
    )


def installed(name: str) -> str | None:
    """Version of an installed package, None if it runs from its sources."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def device() -> str:
    """The device in words, such as "cpu (2 cores)"."""
    kind, number = jax.devices()[0], cores()
    if kind.platform == "cpu":
        return f"cpu ({number} core{'' if number == 1 else 's'})"
    return f"{kind.device_kind} x {jax.device_count()}"


def cpu() -> str:
    """The processor by its maker's name, as far as the system tells."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    told = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(told, platform.processor() or "unknown")


def commit() -> str | None:
    """The commit of the sources, "-dirty" if they were changed since; None where they are not a checkout."""
    here = Path(__file__)
    tracked = ["ls-files", "--error-unmatch", here.name]  # or it is installed inside of another checkout
    named = ["describe", "--always", "--exclude=*", "--abbrev=40", "--dirty"]
    try:
        for words in (tracked, named):
            command = ["git", "-C", str(here.parent), *words]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        return said
    except (OSError, subprocess.CalledProcessError):
        return None


COMMIT = commit()  # of the code that runs: the checkout may have gone on since it was loaded
