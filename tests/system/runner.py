# SPDX-License-Identifier: BSD-3-Clause
"""runner.py - Running one test: what it may use, how long it may take, its line

One line is printed for each: "ok - ", "not ok - " or "skip - ", and the end of
the logs of what failed.
"""

import contextlib
import faulthandler
import fnmatch
import os
import shutil
import signal
import tempfile
import time
import traceback

import sandbox
from outcome import Failed, Skipped

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TAIL_LINES = 30
REASON_CHARS = 500
TEST_SECONDS = 60
GRACE_SECONDS = 30


class TookTooLong(BaseException):
    """A test ran out of time; not an Exception, so that no test catches it."""


class Test(contextlib.ExitStack):
    """What a test may use, and what is undone at its end."""

    def __init__(self, name, options, shared=None):
        super().__init__()
        self.name = name
        self.options = options
        self.shared = shared
        self.logs = list(shared.logs) if shared else []

    def directory(self):
        """Return a fresh directory; its path is short enough for sockets."""
        path = tempfile.mkdtemp(prefix="vunet-")
        os.chmod(path, 0o755)
        self.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    def binary(self, name, build=None):
        """Return the path of a program of the build under test, or of another."""
        folder = os.path.join(TOP, "build", build) if build else self.options.build
        path = os.path.join(folder, name)
        # What it does with memory it shares is not for ThreadSanitizer, which gcc knows
        if name == "vunet-guest" and not os.path.exists(path):
            path = os.path.join(TOP, "build", "release", name)
        if not os.access(path, os.X_OK):
            raise Failed(f"{path} is not built")
        return path

    def show(self, log):
        """Have the end of a log shown if the test fails."""
        self.logs.append(log)


def wanted(name, patterns):
    """Tell whether a test is asked for."""
    return not patterns or any(fnmatch.fnmatch(name, f"*{word}*") for word in patterns)


def show_tail(path):
    """Print the end of a log."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()[-TAIL_LINES:]
    except OSError as error:
        lines = [str(error)]
    print(f"# --- {path}")
    for line in lines:
        print("#", line.rstrip())


def reason_of(error):
    """Return one line that says why a test failed."""
    if isinstance(error, (Failed, Skipped, TookTooLong)):
        return " / ".join(str(error).splitlines())[:REASON_CHARS]
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno})"


@contextlib.contextmanager
def time_limit(seconds):
    """Raise TookTooLong in the body when time is over."""

    def over(*_):
        # Once more, in case something on the way swallows it
        signal.alarm(5)
        raise TookTooLong(f"not done within {seconds} s")

    signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    # Should even that be of no use: say where, and end everything
    faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True)
    try:
        yield
    finally:
        signal.alarm(0)


class Tally:
    """Results so far."""

    def __init__(self):
        self.counts = {"ok": 0, "not ok": 0, "skip": 0}
        self.seconds = {}

    def say(self, verdict, name, reason=""):
        """Print and count one result."""
        self.counts[verdict] += 1
        print(f"{verdict} - {name}{': ' if reason else ''}{reason}", flush=True)

    def summary(self):
        """Return the last line."""
        return "{ok} passed, {not ok} failed, {skip} skipped".format(**self.counts)


@contextlib.contextmanager
def file_of_tests(title, options, tally):
    """Yield what all tests of a file share; say what goes wrong outside of them."""
    shared = Test(title, options)
    try:
        yield shared
    except Skipped as skipped:
        tally.say("skip", title, reason_of(skipped))
    except (Exception, TookTooLong) as error:  # pylint: disable=broad-except
        tally.say("not ok", f"{title}: set up", reason_of(error))
        for log in shared.logs:
            show_tail(log)
    finally:
        shared.close()
    left = sandbox.sweep()
    if left:
        tally.say("not ok", f"{title}: no process left behind", "; ".join(left))


def run_one(name, function, options, shared, tally):
    """Run one test and print its line, which closes with what the test returns to be said."""
    test = Test(name, options, shared)
    begin = time.monotonic()
    try:
        with time_limit(getattr(function, "seconds", TEST_SECONDS)):
            said = function(test)
        tally.say("ok", name, said if isinstance(said, str) else "")
    except Skipped as skipped:
        tally.say("skip", name, reason_of(skipped))
    except (Exception, TookTooLong) as error:  # pylint: disable=broad-except
        tally.say("not ok", name, reason_of(error))
        for log in test.logs:
            show_tail(log)
    finally:
        test.close()
        tally.seconds[name] = time.monotonic() - begin
