# SPDX-License-Identifier: BSD-3-Clause
"""test_conf_errors.py - What is wrong with a configuration is named

Exit status 2 before anything is opened, and a message that names the file, the
section, the key, the value and what is allowed.
"""

import functools
import os

from outcome import expect, expect_equal
from process import run

GOOD = """\
[pmd]
cores = 0
[port.a]
devargs = "net_null0"
[guest.vm1]
socket = /run/vunetd/vm1.sock
wire = a
"""

# name: (what is replaced, by what, words the message must have)
WRONG = {
    "unknown section": ("[pmd]", "[pdm]", ["pdm", "did you mean", "pmd"]),
    "unknown key": ("cores = 0", "coers = 0", ["pmd", "coers", "did you mean", "cores"]),
    "number with rubbish": ("devargs", "queues = 12abc\ndevargs",
                            ["port.a", "queues", "12abc", "number"]),
    "number out of range": ("devargs", "queues = 0\ndevargs", ["port.a", "queues", "0", "128"]),
    "no power of two": ("devargs", "descriptors = 1000\ndevargs",
                        ["port.a", "descriptors", "1000", "power of"]),
    "neither yes nor no": ("wire", "viommu = maybe\nwire", ["guest.vm1", "viommu", "maybe", "yes"]),
    "no such choice": ("wire", "mode = servre\nwire",
                       ["guest.vm1", "mode", "servre", "server", "client"]),
    "no such port": ("wire = a", "wire = b", ["guest.vm1", "wire", "b"]),
    "no devargs": ('devargs = "net_null0"', "queues = 1", ["port.a", "devargs"]),
    "no socket": ("socket = /run/vunetd/vm1.sock", "queues = 1", ["guest.vm1", "socket"]),
    "no such core": ("cores = 0", "cores = 4000", ["pmd", "cores", "4000"]),
    "a key twice": ("wire = a", "wire = a\nwire = a", ["guest.vm1", "wire"]),
    "two guests on a socket": ("wire = a", "wire = a\n[guest.vm2]\nsocket = "
                               "/run/vunetd/vm1.sock\nwire = a", ["vm1", "vm2", "socket"]),
    "two guests on a port": ("wire = a", "wire = a\n[guest.vm2]\nsocket = "
                             "/run/vunetd/vm2.sock\nwire = a", ["vm2", "wire", "a"]),
    "more queues than the port": ("wire = a", "wire = a\nqueues = 2",
                                  ["guest.vm1", "queues", "2"]),
    "no such user": ("wire = a", "wire = a\nowner = nosuchuser", ["owner", "nosuchuser"]),
    "no syntax": ("[pmd]", "[pmd", ["conf"]),
}


def vunetd(test, text, *options):
    """Run vunetd with a configuration, return its CompletedProcess and path."""
    path = os.path.join(test.directory(), "test.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return run([test.binary("vunetd"), "-c", path, *options], check=False), path


def refused(test, old, new, words):
    """It ends with 2, and says what is wrong, with --check and without."""
    expect(old in GOOD, "the test: nothing was replaced")
    text = GOOD.replace(old, new, 1)
    for options in (["--check"], []):
        done, path = vunetd(test, text, *options)
        expect_equal(done.returncode, 2, f"exit status after {done.stdout!r}")
        missing = [word for word in [path, *words] if word not in done.stdout]
        expect(not missing, f"the message does not say {missing}: {done.stdout.strip()}")


def accepted(test):
    """--check says so, and opens nothing."""
    done, _ = vunetd(test, GOOD, "--check")
    expect_equal(done.returncode, 0, f"exit status after {done.stdout!r}")
    expect("valid" in done.stdout, f"it says {done.stdout!r}")


def no_file(test):
    """A file that is not there is named."""
    path = os.path.join(test.directory(), "nothing.conf")
    done = run([test.binary("vunetd"), "-c", path], check=False)
    expect_equal(done.returncode, 2, "exit status")
    expect(path in done.stdout, f"it says {done.stdout!r}")


def no_option(test):
    """An option that is not there is refused with the usage."""
    done = run([test.binary("vunetd"), "--bogus"], check=False)
    expect_equal(done.returncode, 2, "exit status")
    expect("usage" in done.stdout, f"it says {done.stdout!r}")


def tests():
    """Yield what is right, and all that is wrong."""
    yield "a good file is accepted", accepted
    yield "no such file", no_file
    yield "no such option", no_option
    for name, (old, new, words) in WRONG.items():
        yield name, functools.partial(refused, old=old, new=new, words=words)
