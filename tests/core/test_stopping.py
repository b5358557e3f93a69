"""Who asks a process to stop hears at once that it will, even where it cannot look up."""

import signal
import subprocess
import sys

import pytest

BUSY = """
import hashlib, sys, threading
from subitize.core.stopping import {how}
sys.setswitchinterval(1000)  # so that no other thread runs before the main one is busy
begun = threading.Event()
threading.Thread(target=lambda: begun.wait() and print("ready", flush=True), daemon=True).start()
with {how}(lambda: print("stopping", flush=True)):
    begun.set()
    hashlib.pbkdf2_hmac("sha256", b"", b"", {rounds})  # as long as this takes Python looks at no signal
    print("looks up", flush=True)
"""


# A job in the background is started deaf to SIGINT; what this starts hears it as one in the foreground does.
HEARING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def busy(how: str, rounds: int) -> subprocess.Popen:
    code = BUSY.format(how=how, rounds=rounds)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HEARING, sys.executable, "-c", code], **pipes)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("how", ["stoppable", "heard"])
def test_it_is_said_before_python_looks_up_and_a_second_time_ends_it(how):
    process = busy(how, rounds=50_000_000)  # for long, yet not for ever should it fail
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate()[0] == ""
    assert process.returncode == 128 + signal.SIGINT


def test_once_is_waited_for():
    process = busy("stoppable", rounds=2_000_000)
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[0] == "stopping\nlooks up\n"
    assert process.returncode == 0


def test_afterwards_signals_are_what_they_were():
    code = (
        "import signal\nfrom subitize.core.stopping import stoppable\n"
        "with stoppable(lambda: None): pass\n"
        "assert signal.set_wakeup_fd(-1) == -1\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL"
    )
    subprocess.run([sys.executable, "-c", HEARING, sys.executable, "-c", code], check=True)
