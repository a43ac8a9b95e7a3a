"""Runs one command within limits and leaves none of its processes behind; a script of its own, standard library only.

Started as `python -I limits_main.py JSON`, where the JSON says what to run: `{"argv": […]}`, a program, or
`{"script": path}`, a Python file run in this interpreter. Its standard streams are the command's. Exit codes: the
command's own; 124 time is up; 125 this script cannot go on; 127 no such program; 128 + n killed by signal n.
"""

import ctypes
import json
import os
import resource
import runpy
import signal
import sys
import time
from typing import Any

TIME_IS_UP, CANNOT_GO_ON, NO_PROGRAM = 124, 125, 127
NEW_MOUNTS, NEW_USER, NEW_PROCESSES, NEW_NETWORK = 0x00020000, 0x10000000, 0x20000000, 0x40000000  # linux/sched.h
APART = NEW_MOUNTS | NEW_PROCESSES | NEW_NETWORK
RECURSIVE, PRIVATE = 0x4000, 0x40000  # linux/mount.h
COUNTS_APART = (5, 14)  # since this kernel, processes are counted for each user namespace, not for the whole user
MOST_PROCESSES = 64
SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LOOK_SECONDS = 0.002
LONGEST_LOOK_SECONDS = 0.02
END_SECONDS = 2.0  # for killing what the command started


def main() -> int:
    asked: dict[str, Any] = json.loads(sys.argv[1])
    c = ctypes.CDLL(None, use_errno=True)
    is_apart = False
    if sys.platform == "linux":
        c.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)  # nobody waits for this any more
        is_apart = not asked["has_network"] and set_apart(c)
    keeper = os.fork()
    if keeper == 0:
        os._exit(kept(c, asked, is_apart=is_apart))
    return os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1]) & 0xFF


def set_apart(c: ctypes.CDLL) -> bool:
    """Children get a network without any interface and a process tree of their own, which ends with its first process.

    False where the kernel does not allow it.
    """
    user, group = os.getuid(), os.getgid()
    if c.unshare(NEW_USER | APART) != 0:
        return bool(c.unshare(APART) == 0)
    try:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{user} {user} 1")
        write("/proc/self/gid_map", f"{group} {group} 1")
    except OSError:  # then it runs as nobody, and set apart all the same
        return True
    return True


def kept(c: ctypes.CDLL, asked: dict[str, Any], *, is_apart: bool) -> int:
    """Runs the command and sees to its end. Set apart, this is the first process: all others end with it."""
    if is_apart:  # other processes, and what stands in their environments, are not seen any more
        c.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None)
        c.mount(b"proc", b"/proc", b"proc", 0, None)
    if sys.platform == "linux":
        c.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        c.prctl(SET_CHILD_SUBREAPER, 1)  # whatever the command leaves behind becomes ours to kill
    command = os.fork()
    if command == 0:
        run(asked, is_apart=is_apart)
    try:
        return waited(command, asked["seconds"])
    finally:
        if not is_apart:
            end_all()


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def run(asked: dict[str, Any], *, is_apart: bool) -> None:
    """In the child: takes the limits upon itself and becomes the command; never returns."""
    code = CANNOT_GO_ON
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        limit(resource.RLIMIT_CORE, 0)
        limit(resource.RLIMIT_CPU, int(asked["seconds"]) + 1)
        limit(resource.RLIMIT_FSIZE, asked["file_bytes"])
        limit(resource.RLIMIT_NOFILE, 256)
        if sys.platform == "linux":  # elsewhere it is not kept, or cannot be set
            limit(resource.RLIMIT_AS, asked["memory_bytes"])
        if is_apart and kernel() >= COUNTS_APART:
            limit(resource.RLIMIT_NPROC, MOST_PROCESSES)
        if "script" in asked:
            sys.argv = [asked["script"]]
            runpy.run_path(asked["script"], run_name="__main__")
            code = 0
        else:
            os.execvp(asked["argv"][0], asked["argv"])
    except FileNotFoundError as error:
        sys.stderr.write(f"No program {error.filename!r}.\n")
        code = NO_PROGRAM
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {str(error)[:300]}\n")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


def kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.partition("-")[0].split(".")[:2] if part.isdigit())


def limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def waited(command: int, seconds: float) -> int:
    """The command's exit code, or that time is up."""
    ends_at, look = time.monotonic() + seconds, LOOK_SECONDS
    while True:
        done, status = os.waitpid(-1, os.WNOHANG)
        if done == command:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if done == 0:
            if time.monotonic() >= ends_at:
                return TIME_IS_UP
            time.sleep(look)
            look = min(2 * look, LONGEST_LOOK_SECONDS)


def end_all() -> None:
    """Kills all children, and theirs as they become ours, until none is left."""
    ends_at = time.monotonic() + END_SECONDS
    while time.monotonic() < ends_at:
        for child in children():
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            done, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if done == 0:
            time.sleep(LOOK_SECONDS)


def children() -> list[int]:
    """Of this process; none where there is no /proc: there only the process group can be killed, by whoever waits."""
    own = os.getpid()
    found: list[int] = []
    try:
        processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return found
    for process in processes:
        try:
            with open(f"/proc/{process}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == own:
            found.append(process)
    return found


if __name__ == "__main__":
    sys.exit(main())
