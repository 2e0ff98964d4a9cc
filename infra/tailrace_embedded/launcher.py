"""How a server comes to die with its parent: a watcher beside it, on a pipe.

Run as a script of its own with nothing but the standard library, because it is what
each server's process is before it becomes the server:

1. lower its rights to the user given, and raise its limit of open files;
2. fork a watcher;
3. become the server, under the same process id that the parent knows.

The parent holds the writing end of the watched pipe and never writes. When the parent
is gone, in whatever way, the kernel closes it: the watcher reads the end, asks the
server to stop, and kills it if it has not in time. When the server is gone first, the
end of a second pipe, which the server holds without knowing, sends the watcher home: it
can never kill another process that was given the same id. This works wherever there are
pipes; Linux's parent death signal is bound to a thread and cleared by a change of user.

Arguments: descriptor to watch, user id, group id (`-` for as it is), command.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys

# Elasticsearch asks for this many; where less may be had, the most is taken.
OPEN_FILES_WANTED = 65_535

# Kafka and Elasticsearch stop within a second or two when nobody talks to them.
STOP_WAIT_S_MAX = 5.0


def main(arguments: list[str]) -> None:
    """Become the server named by the arguments, with a watcher beside it."""
    watched = int(arguments[0])
    _raise_open_files()
    _lower_rights(arguments[1], arguments[2])
    command = arguments[3:]
    gone_read, gone_write = os.pipe()
    server_id = os.getpid()
    if os.fork() == 0:
        os.close(gone_write)
        _watch(server_id, parent_fd=watched, server_fd=gone_read)
        os._exit(0)
    os.close(gone_read)
    os.close(watched)
    os.set_inheritable(gone_write, True)  # noqa: FBT003 - the signature is Python's
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - no shell, as meant


def _lower_rights(user: str, group: str) -> None:
    if user == "-":
        return
    os.setgroups([])
    os.setgid(int(group))
    os.setuid(int(user))


def _raise_open_files() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        # macOS refuses more than its own maximum; the servers run with fewer too.
        return


def _watch(server_id: int, *, parent_fd: int, server_fd: int) -> None:
    """Return when the server is gone, having stopped it if the parent went first."""
    # A group of its own: what is sent to the server's group is not meant for it.
    os.setpgid(0, 0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    readable, _, _ = select.select([parent_fd, server_fd], [], [])
    if server_fd in readable:
        return
    os.kill(server_id, signal.SIGTERM)
    readable, _, _ = select.select([server_fd], [], [], STOP_WAIT_S_MAX)
    if not readable:
        os.kill(server_id, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
