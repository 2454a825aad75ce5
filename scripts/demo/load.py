"""The load of `demo-area.sh`: keeps documents of children changing, remembers what was acknowledged, and says at the end
what of that an agent lacks.

Each child has a ledger: one line for each write, with when it began and ended, what was asked, and whether it was
acknowledged. A document is not touched again after a write without an answer, whose outcome nobody knows."""

import collections
import dataclasses
import http.client
import json
import pathlib
import random
import signal
import ssl
import sys
import threading
import time
import urllib.parse

# How long one write may take before it counts as unanswered, in seconds.
PATIENCE = 5
# How long `wait` waits for the load to go on, in seconds.
LONGEST_WAIT = 60
# After a connection was refused: the agent may be away.
PAUSE = 0.1
# The most documents that a child edits and deletes again; older ones stay as they are.
RECENT = 50
PREFIX = "demo-"
ADMIN = {"slipstream-authn-info": "internal ADMIN", "content-type": "application/json"}


def now():
    """Milliseconds since 1970."""
    return time.time() * 1000


@dataclasses.dataclass(frozen=True)
class Write:
    """A line of a ledger: `text` is the description that the document has after it, if it is there then."""

    began: float
    ended: float
    kind: str
    name: str
    text: str
    acknowledged: bool


class Agent:
    """Requests to one agent, at the address that it wrote down when it was started the last time."""

    def __init__(self, folder, name):
        self.file = folder / f"{name}.api"
        self.connection, self.base = None, ""

    def ask(self, method, path, body=None):
        """The status and the body of the answer; an `OSError` or `HTTPException` where there is none."""
        if self.connection is None:
            where = urllib.parse.urlsplit(self.file.read_text().strip())
            # The agents have certificates of their own making, and are on this machine.
            trust = ssl._create_unverified_context()
            self.connection = http.client.HTTPSConnection(where.netloc, timeout=PATIENCE, context=trust)
            self.base = where.path
        try:
            data = None if body is None else json.dumps(body)
            self.connection.request(method, f"{self.base}/{path}", data, ADMIN)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise

    def documents(self):
        """The name and description of each document of the demonstration."""
        after = ""
        while True:
            query = {"$filter": f"name^='{PREFIX}'", "$orderby": "name", "$select": "name,description"}
            if after:
                query["$after"] = after
            status, body = self.ask("GET", f"service?{urllib.parse.urlencode(query)}")
            if status != 200:
                raise OSError(f"{status} {body[:200]!r}")
            page = json.loads(body)
            yield from ((found["name"], found.get("description", "")) for found in page["services"])
            after = page.get("after", "")
            if not after:
                return


class Child(threading.Thread):
    """Adds, edits and deletes documents at one child until it is told to stop."""

    def __init__(self, folder, name, rate, stop):
        super().__init__(daemon=True)
        self.agent, self.child, self.rate, self.stop = Agent(folder, name), name, rate, stop
        self.ledger = (folder / f"{name}.ledger").open("a", encoding="utf-8")
        self.random, self.number = random.Random(name), 0
        # Name and id of documents whose state is known.
        self.recent = collections.deque(maxlen=RECENT)

    def run(self):
        while not self.stop.wait(1 / self.rate):
            kind = self.random.choices(["add", "edit", "delete"], [6, 3, 1])[0]
            if not self.recent:
                kind = "add"
            self.number += 1
            if kind == "add":
                self.add()
            else:
                self.change(kind)

    def add(self):
        name, text = f"{PREFIX}{self.child}-{self.number:06}", f"added as {self.number}"
        body = {"name": name, "description": text, "exec": "x", "exec_type": "docker", "agent_type": "normal"}
        answer = self.write("add", name, text, 201, "POST", "service", body)
        if answer is not None:
            self.recent.append((name, json.loads(answer)["resource-id"]))

    def change(self, kind):
        place = self.random.randrange(len(self.recent))
        name, id = self.recent[place]
        del self.recent[place]
        if kind == "delete":
            self.write(kind, name, "", 200, "DELETE", id)
            return
        text = f"edited as {self.number}"
        if self.write(kind, name, text, 200, "PUT", id, {"description": text}) is not None:
            self.recent.append((name, id))

    def write(self, kind, name, text, expected, method, path, body=None):
        """Asks once and writes down what came of it: the answer's body if it is acknowledged."""
        began, answer = now(), None
        try:
            status, told = self.agent.ask(method, path, body)
            answer = told if status == expected else None
        except (OSError, http.client.HTTPException):
            self.stop.wait(PAUSE)
        done = Write(began, now(), kind, name, text, answer is not None)
        self.ledger.write(json.dumps(dataclasses.astuple(done)) + "\n")
        self.ledger.flush()
        return answer


def ledger(folder, child):
    """What was written so far; a line that is being written is left out."""
    file = folder / f"{child}.ledger"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    return [Write(*json.loads(line)) for line in lines if line.endswith("\n")]


def run(folder, rate, *children):
    """Keeps the load up until it is ended by a signal, or the demonstration is no more."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threads = [Child(folder, child, float(rate), stop) for child in children]
    for thread in threads:
        thread.start()
    while not stop.wait(1):
        # Who began it has ended, and its folder is gone.
        if not folder.exists():
            return
    for thread in threads:
        thread.join()


def wait(folder, since, *children):
    """Waits until each of these children has acknowledged a write that began after `since`."""
    deadline, lacking = now() + LONGEST_WAIT * 1000, list(children)
    while lacking:
        late = lambda child: any(it.acknowledged and it.began > float(since) for it in ledger(folder, child)[-200:])
        lacking = [child for child in lacking if not late(child)]
        if lacking and now() > deadline:
            sys.exit(f"{', '.join(lacking)} acknowledged nothing for {LONGEST_WAIT} s")
        time.sleep(0.05)


def phases(folder, began, killed, back, ended, *children):
    """Prints how many writes were acknowledged before a member was killed, while it was away, and after; how many began
    before the kill and ended after it; and how many had no answer."""
    began, killed, back, ended = map(float, (began, killed, back, ended))
    writes = [it for child in children for it in ledger(folder, child) if began <= it.ended < ended]
    done = [it for it in writes if it.acknowledged]
    before = sum(it.ended < killed for it in done)
    after = sum(it.began >= back for it in done)
    across = sum(it.began < killed <= it.ended for it in writes)
    print(before, len(done) - before - after, after, across, len(writes) - len(done))


def expected(folder, children):
    """What each document may be by what was acknowledged: a set of descriptions, where None stands for no document."""
    states = {}
    for child in children:
        for it in ledger(folder, child):
            told = None if it.kind == "delete" else it.text
            before = states.get(it.name, {None})
            # Without an answer it may have been done, or not.
            states[it.name] = {told} if it.acknowledged else before | {told}
    return states


def judge(folder, name, *children):
    """Prints what an agent must hold of what these children acknowledged, and how much of that is missing, old, deleted and
    there again, and there twice; then some of what is wrong."""
    states = expected(folder, children)
    held = collections.defaultdict(list)
    for document, text in Agent(folder, name).documents():
        held[document].append(text)
    missing = [it for it, may in states.items() if None not in may and it not in held]
    risen = [it for it, may in states.items() if may == {None} and it in held]
    old = [it for it, may in states.items() if it in held and it not in risen and not may.issuperset(held[it])]
    twice = [it for it, found in held.items() if len(found) > 1]
    print(sum(None not in may for may in states.values()), len(missing), len(old), len(risen), len(twice))
    print(" ".join([*missing, *old, *risen, *twice][:5]))


def total(folder, *children):
    """Prints how many additions, edits and deletions were acknowledged, and how many writes had no answer."""
    writes = [it for child in children for it in ledger(folder, child)]
    done = collections.Counter(it.kind for it in writes if it.acknowledged)
    print(done["add"], done["edit"], done["delete"], sum(not it.acknowledged for it in writes))


COMMANDS = {command.__name__: command for command in (run, wait, phases, judge, total)}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: load.py {'|'.join(COMMANDS)} FOLDER ARGUMENT...; `demo-area.sh` calls it")
    try:
        COMMANDS[sys.argv[1]](pathlib.Path(sys.argv[2]), *sys.argv[3:])
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"{' '.join(sys.argv[1:2] + sys.argv[3:4])}: {error}")
