"""Services: how soon a launch is taken, a container runs and its end is noticed, beside `docker run`; many processes found again."""

import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import time

import place
from agent import ADMIN, Agent
from table import Ratio, Row

JSON = "content-type: application/json"
LAUNCHES = 100
STARTS = 10
KILLS = 20
PROCESSES = 1000
CONTAINERS = 50
IDLE_SECONDS = 30


def sharing():
    """A device that lends everything."""
    return {f"MF2C_SHARING_{name}": str(value) for name, value in (
        ("MAX_APPS", 10_000), ("MAX_CPU", 100), ("MAX_MEMORY", 100), ("MAX_STORAGE", 100), ("MAX_BANDWIDTH", 100))}


class Runner:
    """An agent that runs services."""

    def __init__(self, socket="", data=None):
        environment = {"MF2C_SERVICES_PROCESS": "true", "MF2C_SERVICES_DOCKER_SOCKET": socket, **sharing()}
        self.agent = Agent(data, describes_itself=True, environment=environment)

    def ask(self, method, path, body=None):
        text = None if body is None else json.dumps(body).encode()
        return json.loads(self.agent.request(method, path, text, (JSON, ADMIN)))

    def register(self, **service):
        return self.ask("POST", "/api/service", {"agent_type": "normal", **service})["resource-id"]

    def launch(self, service):
        return self.ask("POST", "/lm/service", {"service_id": service})["service_instance"]["id"]

    def first_launch(self, service):
        """Launches as soon as the device is known."""
        end = time.monotonic() + place.PATIENCE
        while True:
            try:
                return self.launch(service)
            except place.Failure:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def status(self, instance):
        return self.ask("GET", f"/api/{instance}")["status"]

    def wait(self, instance, status):
        end = time.monotonic() + place.PATIENCE
        while self.status(instance) != status:
            if time.monotonic() > end:
                raise place.Failure(f"{instance} did not become {status}: {self.ask('GET', '/api/' + instance)}")
            time.sleep(0.001)

    def count(self, kind, condition=""):
        return self.ask("GET", f"/api/{kind}?$last=0{condition}")["count"]


class Engine:
    """A Docker engine of its own with one image, `bench/sleep:1`."""

    def __init__(self):
        self.folder = place.directory("engine", "/tmp")
        self.socket = f"{self.folder}/d.sock"
        log = self.folder / "dockerd.log"
        self.child = place.Child(
            ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "-H", f"unix://{self.socket}",
             "--pidfile", self.folder / "pid", "--iptables=false", "--bridge=none"], log)
        self.child.wait_until(lambda: self.docker("version", check=False).returncode == 0, "the engine")
        source = self.folder / "sleep.c"
        source.write_text("#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
        subprocess.run(["cc", "-static", "-O1", "-o", self.folder / "sleep", source], check=True)
        packed = subprocess.run(["tar", "c", "-C", self.folder, "sleep"], check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["docker", "-H", f"unix://{self.socket}", "import", "-", "bench/sleep:1"], input=packed, check=True,
                       stdout=subprocess.DEVNULL)

    def docker(self, *words, check=True):
        return subprocess.run(["docker", "-H", f"unix://{self.socket}", *words], check=check, capture_output=True, text=True)

    def stop(self):
        ids = self.docker("ps", "-aq", check=False).stdout.split()
        if ids:
            self.docker("rm", "-f", *ids, check=False)
        self.child.stop()
        # Mounts of the engine's are gone with it.
        shutil.rmtree(self.folder, ignore_errors=True)
        place.remove(self.folder)


def milliseconds(work):
    begun = time.monotonic()
    made = work()
    return (time.monotonic() - begun) * 1000, made


def spread(times):
    return f"{statistics.median(times):.1f} ms (p99 {sorted(times)[int(len(times) * 0.99) - 1]:.1f})"


def accepted():
    """A launch beside the addition of one document: both wait for one sync."""
    runner = Runner()
    try:
        service = runner.register(name="sleep", exec="/bin/sleep", command=["3600"], exec_type="process")
        runner.first_launch(service)
        launches, adds, made = [], [], []
        for _ in range(LAUNCHES):
            took, instance = milliseconds(lambda: runner.launch(service))
            launches.append(took)
            made.append(instance)
            adds.append(milliseconds(lambda: runner.register(name="x", exec="x", exec_type="docker"))[0])
        more = statistics.median(launches) - statistics.median(adds)
        yield Row("a launch is accepted", spread(launches), f"one document: {spread(adds)}", f"{more:.1f} ms more",
                  "< 5 ms more", more < 5)
        for instance in made:
            runner.ask("DELETE", f"/api/{instance}")
        finish(runner)
    finally:
        runner.agent.stop()


def finish(runner):
    for each in runner.ask("GET", "/api/service-instance?$last=10000")["serviceInstances"]:
        runner.ask("DELETE", f"/api/{each['id']}")
    end = time.monotonic() + place.PATIENCE
    while runner.count("workload") and time.monotonic() < end:
        time.sleep(0.05)


def containers():
    """Containers beside `docker run -d`, the notice of their end, and an agent that has fifty."""
    engine = Engine()
    runner = Runner(engine.socket)
    try:
        service = runner.register(name="sleep", exec="bench/sleep:1", entrypoint=["/sleep"], exec_type="docker", pull="never",
                                  restart={"delay": 0.01})
        runner.wait(runner.first_launch(service), "started")
        ours, theirs, instances = [], [], []
        for _ in range(STARTS):
            def run():
                instance = runner.launch(service)
                runner.wait(instance, "started")
                return instance
            took, instance = milliseconds(run)
            ours.append(took)
            instances.append(instance)
            theirs.append(milliseconds(lambda: engine.docker("run", "-d", "--network", "none", "bench/sleep:1", "/sleep"))[0])
        ratio = Ratio(ours, theirs)
        yield Row("launch until the container runs", f"{statistics.median(ours):.0f} ms",
                  f"docker run -d: {statistics.median(theirs):.0f} ms", ratio.times(), "≤ 1.2 ×", ratio.value <= 1.2)
        yield killed(runner, instances)
        for _ in range(CONTAINERS - STARTS - 1):
            runner.wait(runner.launch(service), "started")
        before = runner.agent.child.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        used = (runner.agent.child.cpu_seconds() - before) / IDLE_SECONDS
        yield Row(f"idle beside {CONTAINERS} containers", f"{used:.2%} of a core", goal="< 1 %", met=used < 0.01)
        finish(runner)
    finally:
        runner.agent.stop()
        engine.stop()


def killed(runner, instances):
    """From SIGKILL of the process inside until the document tells of it. Each is killed a few times only: who fails too often is not
    started again, and waits longer each time."""
    noticed, again = [], []
    for number in range(KILLS):
        instance = instances[number % len(instances)]
        runner.wait(instance, "started")
        workload = runner.ask("GET", f"/api/workload?$filter=instance='{instance}'")["workloads"][0]
        restarts = workload["restarts"]
        pid = inside(runner, workload)
        begun = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        while True:
            now = runner.ask("GET", f"/api/{workload['id']}")
            if now["restarts"] > restarts or now["status"] != "started":
                break
            patient(begun, workload)
        noticed.append((time.monotonic() - begun) * 1000)
        while not (now["restarts"] > restarts and now["status"] == "started"):
            now = runner.ask("GET", f"/api/{workload['id']}")
            patient(begun, now)
        again.append((time.monotonic() - begun) * 1000)
    return Row("a killed container is noticed", spread(noticed), f"runs again after {spread(again)}", goal="< 100 ms",
               met=statistics.median(noticed) < 100)


def patient(begun, workload):
    """Fails when something has taken too long."""
    if time.monotonic() - begun > place.PATIENCE:
        raise place.Failure(f"{workload['id']} did not start again: {workload.get('detail')}")


def inside(runner, workload):
    """The first process of a container, by its engine."""
    socket = next(value for name, value in environment(runner) if name == "MF2C_SERVICES_DOCKER_SOCKET")
    shown = subprocess.run(["docker", "-H", f"unix://{socket}", "inspect", "-f", "{{.State.Pid}}", workload["container_id"]],
                           check=True, capture_output=True, text=True)
    return int(shown.stdout)


def environment(runner):
    text = pathlib.Path(f"/proc/{runner.agent.child.pid}/environ").read_bytes().decode()
    return [tuple(each.split("=", 1)) for each in text.split("\0") if "=" in each]


def processes():
    """Many processes: started, found again after a crash of the agent, and started again after one of the machine."""
    data = place.directory("services")
    runner = Runner(data=data)
    mark = str(3_000_000 + os.getpid())
    try:
        service = runner.register(name="sleep", exec="/bin/sleep", command=[mark], exec_type="process")
        begun = time.monotonic()
        runner.first_launch(service)
        for _ in range(PROCESSES - 1):
            runner.launch(service)
        until(lambda: runner.count("service-instance", "&$filter=status='started'") == PROCESSES)
        started = time.monotonic() - begun
        for all_die in (False, True):
            runner.agent.stop(signal.SIGKILL)
            if all_die:
                subprocess.run(["pkill", "-KILL", "-f", f"/bin/sleep {mark}"], check=False)
                until(lambda: asleep(mark) == 0)
            begun = time.monotonic()
            runner = Runner(data=data)
            until(lambda: found(runner) >= PROCESSES and asleep(mark) == PROCESSES)
            took = time.monotonic() - begun
            what = "reconciled after a kill of the agent" if not all_die else "run again after a kill of the agent and of all of them"
            # The goal is about finding again; starting anew takes what starting takes.
            goal = {} if all_die else {"goal": "< 5 s", "met": took < 5}
            yield Row(f"{PROCESSES} processes {what}", f"{took:.2f} s", f"started one by one: {started:.1f} s", **goal)
        finish(runner)
    finally:
        runner.agent.stop()
        subprocess.run(["pkill", "-KILL", "-f", f"/bin/sleep {mark}"], check=False)
        place.remove(data)


def found(runner):
    """How many workloads the agent has found again, by its log."""
    most = 0
    for line in runner.agent.log.read_text().splitlines():
        entry = json.loads(line)
        fields = entry.get("fields", entry)
        if fields.get("message") == "looked at all that runs here":
            most = max(most, fields["workloads"])
    return most


def asleep(mark):
    shown = subprocess.run(["pgrep", "-fxc", f"/bin/sleep {mark}"], capture_output=True, text=True)
    return int(shown.stdout or 0)


def until(holds):
    end = time.monotonic() + place.PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise place.Failure("it did not come to be in time")
        time.sleep(0.01)


def measure():
    """All rows."""
    yield from accepted()
    yield from containers()
    yield from processes()
