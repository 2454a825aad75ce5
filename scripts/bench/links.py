"""Certificates and links: joining, handshakes, issuing, memory (`benches/links` plays the members)."""

import json
import os
import subprocess
import time

import agent
import place
import table

MIB = 2**20
JOINS = 50
LINKS = 1_000
# No device may have more than 1,000 certificates that hold.
DEVICES, ISSUED = 11, 950
RENEWING = 1_000
# How often children change, in seconds, and for so many rounds they are watched.
CHILDREN, PERIOD, ROUNDS = 1_000, 30, 2


class Authority(agent.Agent):
    """An agent with an authority, whose links listen on a free port."""

    def __init__(self):
        self.port = place.free_port()
        super().__init__(environment={"MF2C_LINK_LISTEN": f"127.0.0.1:{self.port}"})
        self.command("ca", "init", "--area", "bench")

    def command(self, *words):
        """A command of the program at this agent; its standard output."""
        done = subprocess.run([agent.binary(), *words, "--data-dir", self.data], check=False, capture_output=True,
                              text=True, timeout=place.PATIENCE, env={"PATH": os.environ["PATH"]})
        if done.returncode != 0:
            raise place.Failure(f"mf2c {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def tokens(self, count):
        """A file with so many join tokens, one a line."""
        file = self.data.parent / f"{self.data.name}.tokens"
        file.write_text("".join(self.command("token", "create", "--role", "agent") for _ in range(count)))
        file.chmod(0o600)
        return file


def _members(*words):
    """What the members say at their end, by key."""
    done = subprocess.run([os.environ["BENCH_LINKS"], *map(str, words)], check=False, capture_output=True, text=True,
                          timeout=10 * place.PATIENCE)
    if done.returncode != 0:
        raise place.Failure(f"links {words[0]}: {done.stderr.strip()}")
    said = [line.split() for line in done.stdout.splitlines()]
    numbers = {key: float(value) for key, value in said if key != "device"}
    return {**numbers, "devices": [value for key, value in said if key == "device"]}


def _handshakes(ours):
    """Handshakes a second with the agent and without one, in turn, and their ratio."""
    mine, bare = [], []
    for _ in range(place.REPEATS):
        mine.append(_members("handshakes", ours.tokens(1), place.SECONDS)["rate"])
        bare.append(_members("bare", place.SECONDS)["rate"])
    return mine, bare, table.Ratio(mine, bare)


def _middle(values):
    return sorted(values)[len(values) // 2]


def _idle(ours):
    """Links of so many members, and what each costs the agent, in bytes."""
    tokens = ours.tokens(LINKS)
    before = ours.child.memory_mib()
    child = subprocess.Popen([os.environ["BENCH_LINKS"], "idle", tokens], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = child.stdout.readline().decode()
        if line.strip() != f"ready {LINKS}":
            raise place.Failure(f"links idle said {line!r}")
        # What the joining has left behind is given back.
        time.sleep(3)
        return before, ours.child.memory_mib()
    finally:
        child.stdin.close()
        child.wait(place.PATIENCE)


def children():
    """One leader with many children, each of which changes its device-dynamic once in a period."""
    with Authority() as ours:
        tokens = ours.tokens(CHILDREN)
        play = subprocess.Popen([os.environ["BENCH_LINKS"], "children", tokens, str(PERIOD)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        try:
            line = play.stdout.readline()
            if line.strip() != f"ready {CHILDREN}":
                raise place.Failure(f"links children said {line!r}")
            # What the joining has left to do is done after one round.
            time.sleep(PERIOD)
            spent, began = ours.child.cpu_seconds(), time.perf_counter()
            time.sleep(PERIOD * ROUNDS)
            share = (ours.child.cpu_seconds() - spent) / (time.perf_counter() - began)
            memory = ours.child.memory_mib()
            shown = json.loads(ours.request("GET", "/api/device-dynamic?%24last=0", headers=[agent.ADMIN]))["count"]
        finally:
            play.stdin.close()
            said = dict(line.split() for line in play.stdout)
            play.wait(place.PATIENCE)
        if shown < CHILDREN:
            raise place.Failure(f"the leader shows {shown} of {CHILDREN} children")
        each = float(said["bytes"]) / float(said["changes"])
    yield table.Row(f"a leader with {CHILDREN:,} children, each with a change every {PERIOD} s",
                    f"{share:.1%} of a core, {memory:.0f} MiB", goal="5 % of a core, 200 MB",
                    met=share < 0.05 and memory * MIB < 200e6)
    yield table.Row("a change of a device-dynamic on the wire, before TLS", f"{each:.0f} bytes",
                    "original: up to 16 calls", goal="200 bytes", met=each < 200)


def links():
    """Everything that has to do with certificates and links."""
    with Authority() as ours:
        joined = _members("join", ours.tokens(JOINS))
        yield table.Row("token to the first answer on the authenticated link",
                        f"p50 {joined['p50']:.1f} ms, worst of {JOINS} {joined['worst']:.1f} ms", goal="300 ms",
                        met=joined["worst"] < 300)
        few, bare, ratio = _handshakes(ours)
        yield table.Row("links opened and closed: TCP, mutual TLS 1.3, both Hellos",
                        f"{_middle(few):,.0f}/s", f"bare rustls, mutual TLS alone {_middle(bare):,.0f}/s",
                        ratio.percent(), "1,000/s", _middle(few) >= 1000)
        before, after = _idle(ours)
        each = (after - before) * MIB / LINKS
        yield table.Row(f"memory for each of {LINKS:,} idle links, with its member's documents",
                        f"{each / 1000:.1f} kB ({before:.1f} to {after:.1f} MiB)", goal="40 kB", met=each <= 40_000)
        issued = _members("issue", ours.tokens(DEVICES), ISSUED)
        yield table.Row(f"certificates issued over {DEVICES} links: request checked, signed, stored and synced",
                        f"{issued['rate']:,.0f}/s", goal="2,000/s", met=issued["rate"] >= 2000)
        for device in issued["devices"]:
            ours.command("ca", "revoke", "--device", device, "--reason", "measured")
        revoked = json.loads(ours.command("ca", "show", "-o", "json"))["authority"]["revoked"]
        many, bare, ratio = _handshakes(ours)
        left = _middle(many) / _middle(few)
        yield table.Row(f"links opened and closed with {revoked:,} revoked certificates", f"{_middle(many):,.0f}/s",
                        f"bare rustls {_middle(bare):,.0f}/s", f"{ratio.percent()}; {left:.0%} of the rate without them",
                        "70 % of it", left >= 0.7)
    spread = _members("spread", RENEWING)
    share = spread["fullest_second"] / RENEWING
    yield table.Row(f"renewals of {RENEWING:,} agents admitted at the same moment",
                    f"over {spread['minutes']:.0f} minutes, {share:.1%} in the fullest second", goal="3 %",
                    met=share <= 0.03)

