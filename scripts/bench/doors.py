"""What the doors for other people's clients cost an idle agent: each of them open, beside none."""

import os
import statistics
import subprocess
import time

import place
from agent import Agent, binary
from table import Row

# How often each is started; the order goes round, so that a machine that gets slower or fuller is fair to all.
STARTS = 7
# How long an agent idles before it is looked at.
SECONDS = 5
GOAL = 1.0

DOORS = {
    "Flocker": {"MF2C_FLOCKER_LISTEN": "127.0.0.1:0"},
    "Deltacloud": {"MF2C_DELTACLOUD_LISTEN": "127.0.0.1:0"},
    "DETER": {"MF2C_DETER_LISTEN": "127.0.0.1:0"},
}


def resident(environment):
    """MiB of an idle agent."""
    with Agent(environment=environment) as agent:
        time.sleep(SECONDS)
        return agent.child.memory_mib()


def measure():
    """A row for each door, and one for all of them."""
    certificates = place.directory("flocker")
    for words in (("initialize", "bench"), ("create-control-certificate", "127.0.0.1")):
        subprocess.run([binary().absolute(), "flocker-ca", *words], cwd=certificates, check=True, stdout=subprocess.DEVNULL)
    for end in ("crt", "key"):
        os.rename(certificates / f"control-127.0.0.1.{end}", certificates / f"control-service.{end}")
    DOORS["Flocker"]["MF2C_FLOCKER_CERTIFICATES"] = str(certificates)
    together = {key: value for each in DOORS.values() for key, value in each.items()}
    cases = {"none": {}, **DOORS, "all three": together}
    figures = {name: [] for name in cases}
    for _ in range(STARTS):
        for name, environment in cases.items():
            figures[name].append(resident(environment))
    place.remove(certificates)
    without = statistics.median(figures["none"])
    for name in list(DOORS) + ["all three"]:
        more = statistics.median(figures[name]) - without
        spread = f"{min(figures[name]):.1f} to {max(figures[name]):.1f} MiB"
        goal = {"goal": "< 1 MB each", "met": more < GOAL} if name in DOORS else {}
        yield Row(f"resident memory, idle, with the door of {name}", f"{more:+.2f} MiB ({spread})",
                  f"none: {without:.1f} MiB ({min(figures['none']):.1f} to {max(figures['none']):.1f})", **goal)
