"""The command `subitize`: parse, call, print.

    train      learn to count from pictures alone          -> a run folder
    val        measure a run on held-out scenes            -> numbers
    count      count what is in your own pictures          -> counts.csv, objects.csv, overlays/
    verify     count some pictures of a count by eye       -> intervals that hold, a corrected total
    sample     sample scenes from a run                    -> a picture
    compare    compare runs of generative models           -> a table, a picture
    show       what a run is, or what there is to choose   -> text, a picture
    bench      compare gradient estimators                 -> a table, a picture
    reproduce  put a claim of the papers to the test       -> a verdict, a table, a picture

Each verb is one file here, loaded when it is asked for, so that help costs no second. Exit codes:

    0 done · 1 unexpected · 2 usage · 3 nothing to read · 4 some files failed · 5 checkpoint · 6 diverged
    7 disk full · 130 interrupted · 143 terminated
"""

import gc
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from subitize import __version__
from subitize.cli.signals import signal_of, termination_raises
from subitize.core.errors import NO_ROOM, DiskFullError, SubitizeError, UsageError, did_you_mean, printable

# When to look for garbage: the tracing of programs makes very many objects that stay, and with the usual
# thresholds a tenth of the start is spent on visiting them.
SELDOM = 100_000, 50, 50
NO_BACKEND = "Unable to initialize backend"  # so JAX begins what it says of a device that is not there
VERBS = ("train", "val", "count", "verify", "sample", "compare", "show", "bench", "reproduce")

HELP = """\
usage: subitize VERB [OPTIONS]

Count what is in pictures, learned from pictures alone: Attend, Infer, Repeat.

  train      learn to count                      subitize train --scenes digits --out RUN
  val        measure on held-out scenes          subitize val RUN --json
  count      count what is in your pictures      subitize count PATH... --model RUN --out DIR
  verify     check a count by eye, and learn     subitize verify DIR --truth truth.csv
             how far its intervals hold
  sample     sample scenes from a run            subitize sample RUN --out samples.png
  compare    likelihoods and samples of runs     subitize compare RUN RUN --out DIR
  show       what a run is, and a picture of it  subitize show RUN
             without a run: scenes, estimators, objectives and priors to choose from
  bench      compare gradient estimators         subitize bench gradients --on coins sbn air
  reproduce  put a claim to the test             subitize reproduce extrapolation

Options are written --steps 10 or steps=10. `subitize VERB --help` lists those of a verb.
--debug shows the traceback of an error, --version the version.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    Args:
        argv: the words after `subitize`; those of this process by default.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal of another alphabet shows codes, and no error
            stream.reconfigure(errors="backslashreplace")
    try:
        with termination_raises():
            return dispatch(words)
    except SubitizeError as error:
        return say(str(error), error.exit_code, words)
    except KeyboardInterrupt as stop:
        number = signal_of(stop)
        return say("interrupted." if number == signal.SIGINT else "terminated.", 128 + number, words)
    except BrokenPipeError:  # whoever read our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return say(*of_the_system(error), words)
    except Exception as error:
        if NO_BACKEND in str(error):
            return say(no_backend(error), UsageError.exit_code, words)
        sentence = f"something unexpected happened ({type(error).__name__}: {first_line(error)})."
        return say(f"{sentence} Run again with --debug for the traceback.", 1, words)


def dispatch(words: list[str]) -> int:
    """Find the verb and hand it the rest."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    verb, *rest = words
    if verb in ("--version", "version"):
        print(f"subitize {__version__}")
        return 0
    if verb not in VERBS:
        hint = did_you_mean(verb, VERBS)
        raise UsageError(f"There is no command '{verb}'.{hint} Commands: {', '.join(VERBS)}.")
    remember_compiled_programs()
    gc.set_threshold(*SELDOM)
    from subitize.core.stopping import heard

    with heard(lambda: print("subitize: stopping. Ask again to stop now.", file=sys.stderr)):
        return importlib.import_module(f"subitize.cli.{verb}").main(rest)


def remember_compiled_programs() -> None:
    """Keep compiled programs in the user's cache folder, so that only the first run waits for them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "subitize" / "compiled"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))


def say(sentence: str, code: int, words: Sequence[str]) -> int:
    """Print an error as one message, after its traceback if that was asked for."""
    if "--debug" in words:
        traceback.print_exc()
    print(f"subitize: {printable(sentence)}", file=sys.stderr)
    return code


def of_the_system(error: OSError) -> tuple[str, int]:
    """What to say about an error of the operating system, and the exit code: most are about a path."""
    if error.errno in NO_ROOM:
        where = f" at {error.filename}" if error.filename else ""
        sentence = f"the disk is full{where}, or no file may be so large. Make room, then run it again."
        return sentence, DiskFullError.exit_code
    if error.filename is None:
        return f"{error.strerror or error}.", 1
    return f"{error.filename}: {error.strerror or error}. Choose another path.", UsageError.exit_code


def no_backend(error: Exception) -> str:
    """What to say where JAX is told to use a device that is not there."""
    asked = os.environ.get("JAX_PLATFORMS")
    told = f"JAX_PLATFORMS={asked}" if asked else "its settings"
    return f"JAX cannot compute with {told}: {first_line(error)}. Unset it, or write JAX_PLATFORMS=cpu."


def first_line(error: Exception) -> str:
    """The first line of an error's text."""
    return (str(error).splitlines() or ["no message"])[0]
