"""Where a run works, what it may take, and the child processes it has started."""

import atexit
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
# On the repository's own file system, so that every store under test writes to the same disk.
CACHE = REPOSITORY / "target" / "bench"
SECONDS = float(os.environ.get("BENCH_SECS", "5"))
REPEATS = int(os.environ.get("BENCH_REPS", "3"))
CORES = len(os.sched_getaffinity(0))
# How long anything may take to start, answer or stop before the run gives up on it, in seconds.
PATIENCE = 60.0

_children = []
_directories = []


def say(text):
    """Progress, to standard error: standard output is for the results."""
    print(f"    {text}", file=sys.stderr, flush=True)


class Failure(Exception):
    """Something that the run needs has not worked; the text says what and what to do."""


def directory(name, parent=None):
    """A new, empty directory that disappears with this run."""
    parent = pathlib.Path(parent or CACHE)
    parent.mkdir(parents=True, exist_ok=True)
    made = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    _directories.append(made)
    return made


def remove(path):
    """Removes a directory made by `directory`, as soon as it is not needed any more."""
    shutil.rmtree(path, ignore_errors=True)
    if path in _directories:
        _directories.remove(path)


def free_port():
    """A loopback port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Child:
    """A process of ours; it ends with this run at the latest."""

    def __init__(self, command, log, *, announces=False, environment=None, user=None, stop_signal=signal.SIGTERM):
        self.command, self.log, self.stop_signal = [str(word) for word in command], pathlib.Path(log), stop_signal
        self.spawned = time.monotonic()
        with open(self.log, "ab") as errors:
            # A process group of its own: Ctrl-C reaches this script, which then stops its children one by one.
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if announces else errors, stderr=errors,
                bufsize=0,  # what a buffer took from the pipe would not wake a wait for the next line
                env=environment, user=user, cwd=self.log.parent, start_new_session=True)
        _children.append(self)

    @property
    def pid(self):
        return self.process.pid

    def first_line(self, starting_with):
        """Waits for the line of standard output that starts so; the rest of it, and the milliseconds since the start.

        Lines before it, as an agent prints them at its first start, are passed over.
        """
        for _ in range(10):
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            line = self.process.stdout.readline().decode().strip() if ready else ""
            if not line or line.startswith(starting_with):
                break
        after = (time.monotonic() - self.spawned) * 1000
        if not line.startswith(starting_with):
            raise Failure(f"{self.command[0]} said {line!r} instead of {starting_with!r}; its log:\n{self.log_end()}")
        return line[len(starting_with):].strip(), after

    def wait_until(self, holds, what):
        """Waits until `holds()`; the milliseconds since the start."""
        while time.monotonic() - self.spawned < PATIENCE and self.process.poll() is None:
            if holds():
                return (time.monotonic() - self.spawned) * 1000
            time.sleep(0.002)
        raise Failure(f"{self.command[0]}: {what} did not come to be; its log:\n{self.log_end()}")

    def log_end(self):
        """The last lines of its standard error."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def stop(self, sent=None):
        """Ends it by its own id, and waits for that."""
        if self.process.poll() is None:
            self.process.send_signal(sent or self.stop_signal)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        if self in _children:
            _children.remove(self)

    def cpu_seconds(self):
        """Processor time of the process and its descendants so far, those that have ended included."""
        ticks = 0
        for pid in _tree(self.pid):
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            # proc(5): fields 14 to 17 are utime, stime, cutime and cstime; the first here is field 3.
            ticks += sum(int(field) for field in fields[11:15])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        """Resident memory of the process, in MiB."""
        return _status(self.pid, "VmRSS") / 1024

    def wakeups(self):
        """How often its threads have gone to sleep and been woken, so far."""
        tasks = pathlib.Path(f"/proc/{self.pid}/task").iterdir()
        return sum(_status(f"{self.pid}/task/{task.name}", "voluntary_ctxt_switches") for task in tasks)


def _tree(pid):
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [each for child in task.read_text().split() for each in _tree(int(child))]
        except OSError:
            continue
    return found


def _status(process, name):
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


def clean_up():
    """Stops what still runs and removes what is left."""
    for child in list(_children):
        child.stop()
    for path in list(_directories):
        remove(path)


atexit.register(clean_up)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: sys.exit(130))
