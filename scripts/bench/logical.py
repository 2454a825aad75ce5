"""The peer for changes from child to leader with a sync: PostgreSQL 15, logical replication over TLS."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import certificates
import documents
import place
from postgres import PROGRAMS

COUNT = 20_000


def _library():
    """psycopg2 lives in the environment that `scripts/bench.sh` has made."""
    site = os.environ.get("BENCH_SITE")
    if site and site not in sys.path:
        sys.path.insert(0, site)
    import psycopg2  # pylint: disable=import-outside-toplevel
    return psycopg2


class Server:
    """One server that can be killed and started again with its data."""

    def __init__(self, folder, name, keys, user):
        self.folder, self.data, self.user, self.port = folder, folder / name, user, place.free_port()
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "bench", "-N", "-E", "UTF8", "--locale=C")
        owner = ["-o", user] if user else []
        for end in ("crt", "key"):
            subprocess.run(["install", *owner, "-m", "600", keys / f"server.{end}", self.data / f"server.{end}"],
                           check=True)
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as settings:
            settings.write(f"\nport={self.port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories=''\n"
                           "wal_level=logical\nssl=on\nwal_retrieve_retry_interval=500ms\n")
        self.start()

    def _run(self, program, *words):
        subprocess.run([str(PROGRAMS / program), *map(str, words)], check=True, capture_output=True, user=self.user,
                       cwd=self.folder)

    def start(self):
        """Starts it; `self.ask` works from then on."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        # Its library looks for certificates in the home of whoever started it.
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        self.child = place.Child([PROGRAMS / "postgres", "-D", self.data], self.folder / "log", user=self.user,
                                 stop_signal=signal.SIGINT, environment=environment)
        library = _library()

        def session():
            try:
                self.session = library.connect(host="127.0.0.1", port=self.port, user="bench", dbname="postgres")
                return True
            except library.OperationalError:
                return False

        self.child.wait_until(session, "a session")
        self.session.autocommit = True
        self.cursor = self.session.cursor()

    def ask(self, sql, *values):
        """Runs a statement; its rows, if it has any."""
        self.cursor.execute(sql, values or None)
        return self.cursor.fetchall() if self.cursor.description else []

    def bench(self, sql, transactions, clients=8):
        """Runs a statement so many times by `pgbench`."""
        script = self.folder / "script.sql"
        script.write_text(sql + "\n")
        self._run("pgbench", "-n", "-M", "prepared", "-c", clients, "-t", transactions // clients, "-h", "127.0.0.1",
                  "-p", self.port, "-U", "bench", "-f", script, "postgres")


@contextlib.contextmanager
def _pair():
    folder = place.directory("mf2c-bench-logical", tempfile.gettempdir())
    user = "postgres" if os.geteuid() == 0 else None
    folder.chmod(0o755)
    keys = certificates.make(folder)
    if user:
        subprocess.run(["chown", user, folder], check=True)
    leader, child = Server(folder, "leader", keys, user), Server(folder, "child", keys, user)
    for server in (leader, child):
        server.ask("create table rep(id bigserial primary key, k text unique, doc jsonb)")
    child.ask("create publication p for table rep")
    leader.ask(f"create subscription s connection 'host=127.0.0.1 port={child.port} user=bench dbname=postgres "
               "sslmode=require' publication p")
    child.ask("insert into rep(k, doc) values ('first', '{}')")
    leader.child.wait_until(lambda: leader.ask("select count(*) from rep")[0][0] == 1, "the first row")
    # Before that the table is still being copied, and a crash would leave the copy half made.
    leader.child.wait_until(lambda: leader.ask("select srsubstate from pg_subscription_rel") == [("r",)],
                            "a table that follows")
    try:
        yield leader, child
    finally:
        leader.child.stop()
        child.child.stop()
        place.remove(folder)


def latency(count):
    """Milliseconds from the commit at the child until the leader's table has the row, one after the other."""
    taken = []
    with _pair() as (leader, child):
        for number in range(count):
            child.ask("insert into rep(k, doc) values (%s, %s)", f"l{number}", json.dumps(documents.device(number)))
            began = time.perf_counter()
            while not leader.ask("select 1 from rep where k = %s", f"l{number}"):
                if time.perf_counter() - began > place.PATIENCE:
                    raise place.Failure("a row did not reach PostgreSQL's subscriber")
            taken.append((time.perf_counter() - began) * 1000)
    return taken


def _insert():
    text = json.dumps(documents.device(7)).replace("'", "''")
    return f"insert into rep(doc) values ('{text}');"


def rate():
    """Rows a second from child to leader, with eight writers at the child."""
    with _pair() as (leader, child):
        began = time.perf_counter()
        child.bench(_insert(), COUNT)
        while leader.ask("select count(*) from rep")[0][0] < COUNT + 1:
            time.sleep(0.02)
        return COUNT / (time.perf_counter() - began)


def forward(count):
    """The leader is down, rows are committed at the child, the child is killed, both come back: the seconds until all
    are at the leader, and how many came."""
    with _pair() as (leader, child):
        leader.session.close()
        leader.child.stop()
        child.bench(_insert(), count)
        child.session.close()
        child.child.stop(signal.SIGKILL)
        leader.start()
        child.start()
        began = time.perf_counter()
        arrived = 0
        while arrived < count and time.perf_counter() - began < place.PATIENCE:
            arrived = leader.ask("select count(*) from rep")[0][0] - 1
            time.sleep(0.01)
        return time.perf_counter() - began, arrived
