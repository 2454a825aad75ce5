"""What this machine is, and what its disk does."""

import os
import pathlib
import platform
import subprocess
import time

import place


def facts():
    """One line of Markdown for each fact."""
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    place.CACHE.mkdir(parents=True, exist_ok=True)
    system = subprocess.run(["stat", "-f", "-c", "%T", place.CACHE], capture_output=True, text=True).stdout.strip()
    taken = sorted(sync_times(seconds=1))
    p50, p99 = (taken[int((len(taken) - 1) * part)] * 1000 for part in (0.5, 0.99))
    load = os.getloadavg()
    return [
        f"- {time.strftime('%Y-%m-%d %H:%M')}, {platform.system()} {platform.release()}, {place.CORES} cores, {model}, "
        f"{memory:.0f} GiB",
        f"- disk: {system}; fdatasync of 4 KiB appends p50 {p50:.2f} ms, p99 {p99:.2f} ms",
        f"- load average before the run: {load[0]:.2f} {load[1]:.2f} {load[2]:.2f}"
        + ("; **others use this machine: trust the ratios and the CPU times, not the rates**" if load[0] > 0.5 else ""),
        f"- {place.REPEATS} runs of {place.SECONDS:g} s each, mf2c and its peer in turn; rates are medians, ratios are "
        "medians of neighbouring runs with their range",
    ]


def sync_times(seconds, limit=200_000):
    """How long the disk takes, in seconds, to make each of many appended blocks of 4 KiB durable."""
    path = place.CACHE / f"sync-{os.getpid()}"
    block, taken = b"\xa5" * 4096, []
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        end = time.perf_counter() + seconds
        while len(taken) < limit:
            started = time.perf_counter()
            if started >= end:
                break
            os.write(handle, block)
            os.fdatasync(handle)
            taken.append(time.perf_counter() - started)
    finally:
        os.close(handle)
        os.unlink(path)
    return taken
