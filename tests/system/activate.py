#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""activate.py - Run a command with sockets as a service manager passes them

usage: activate.py NAME=FD... -- COMMAND...

sd_listen_fds(3): from descriptor 3 on, with their number and names in the environment.
"""

import os
import sys

FIRST = 3


def main():
    """Put every descriptor in its place and become the command."""
    split = sys.argv.index("--")
    named = [word.rpartition("=") for word in sys.argv[1:split]]
    # Out of the way first: one may be where another one goes
    fds = [os.dup(int(fd)) for _, _, fd in named]
    high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
    for i, fd in enumerate(high):
        os.dup2(fd, FIRST + i)
    env = dict(os.environ, LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(named)),
               LISTEN_FDNAMES=":".join(name for name, _, _ in named))
    os.closerange(FIRST + len(named), 200)
    os.execve(sys.argv[split + 1], sys.argv[split + 1:], env)


if __name__ == "__main__":
    main()
