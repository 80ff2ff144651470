# SPDX-License-Identifier: BSD-3-Clause
"""docs.py - Hold docs/guests.md to what the tests run

Each command line there stands behind a comment that says what it is for,
    <!-- tests/qemu: intel packed 4 -->
and is compared with the one that a guest of that kind is booted with.  Each
domain's XML stands behind <!-- tests/qemu: domain -->, and libvirt has to take it.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile

import matrix
import vm
from outcome import Failed, Skipped, expect

TAG = re.compile(r"^<!-- tests/qemu: (.*) -->$")
SOCKET = "/run/vunetd/vm1.sock"
# What is about the guest's console and disk, and size, is everybody's own
OWN = {"-serial": 1, "-qmp": 1, "-kernel": 1, "-initrd": 1, "-display": 1, "-nodefaults": 0,
       "-no-user-config": 0}

# ... and so are the kernel's huge pages, which docs/guests.md has further down
UNTOLD = {"no_timer_check", "hugepagesz=SIZE", "hugepages=1"}


def blocks(path):
    """Return [(tag, text)] of the indented blocks that have a tag."""
    found = []
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for at, line in enumerate(lines):
        if match := TAG.match(line):
            text = []
            for below in lines[at + 2:]:
                if not below.startswith("    "):
                    break
                text.append(below[4:])
            found.append((match.group(1), "\n".join(text) + "\n"))
    return found


def _own_removed(words):
    """Return a command line without what is everybody's own."""
    words = list(words)[1:]
    left = []
    while words:
        word = words.pop(0)
        if word in OWN:
            del words[:OWN[word]]
        else:
            left.append(word)
    return left


def _alike(words):
    """Return a command line in the form in which two are compared.

    Their order counts, for QEMU makes devices as it reads; the kernel's arguments
    may stand anywhere, and in any order.
    """
    alike = []
    words = _own_removed(words)
    at = words.index("-append")
    for word in words[:at] + words[at + 2:] + words[at:at + 2]:
        word = re.sub(r"\b(size=)?\d+[MG]\b", "SIZE", word)
        word = word.replace(",romfile=", "")
        if word.startswith("console="):
            word = " ".join(sorted(set(word.split()) - UNTOLD))
        alike.append(word)
    return alike


def _boot(tag):
    """Return the boot of the default ones that a tag names."""
    viommu, ring, pairs, *more = tag.split()
    for boot in matrix.DEFAULT:
        if ((boot.viommu, boot.ring, str(boot.pairs)) == (viommu, ring, pairs) and
                ("client" in more) == boot.client and (boot.mtu != 1500) == ("mtu=1400" in more)):
            return boot
    raise Failed(f"no guest is booted as '{tag}'")


def command_lines(path):
    """the command lines of docs/guests.md are those of guests that are booted"""
    compared = 0
    for tag, text in blocks(path):
        if tag == "domain":
            continue
        boot = _boot(tag)
        place = vm.Place("build/qemu-cache", "", "")
        ours = vm.qemu_command("qemu-system-x86_64", False, boot, place, "10.99.0.2/24")
        ours = [word.replace("path=vhost,", f"path={SOCKET},") for word in ours]
        theirs = shlex.split(text.replace("\\\n", " "))
        for is_ours, is_theirs in zip(_alike(ours), _alike(theirs)):
            expect(is_ours == is_theirs, f"'{tag}' has '{is_theirs}', a guest '{is_ours}'")
        expect(len(_alike(ours)) == len(_alike(theirs)), f"'{tag}' has more or less than a guest")
        compared += 1
    expect(compared, "there are none")
    return f" ({compared} of them)"


def domains(path):
    """libvirt takes the domains of docs/guests.md"""
    if not shutil.which("virsh"):
        raise Skipped("no virsh")
    taken = 0
    for tag, text in blocks(path):
        if tag != "domain":
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".xml", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            done = subprocess.run(["virsh", "-c", "test:///default", "define", "--validate",
                                   file.name], capture_output=True, timeout=60, check=False,
                                  text=True, env={**os.environ, "LC_ALL": "C"})
        expect(not done.returncode, f"domain {taken}: {done.stderr.strip()}")
        taken += 1
    expect(taken, "there are none")
    return f" ({taken} of them)"
