"""The peer for filters without HTTP: PostgreSQL 15 with `pgbench`.

The documents are JSONB, with an index on the filtered attributes.
"""

import os
import pathlib
import re
import signal
import subprocess
import tempfile

import documents
import load
import place

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
# More connections than this make it slower on few cores: the peer gets what suits it.
CONNECTIONS = 8
FILTER = """select doc from device where doc->>'arch' = 'x86_64' and (doc->>'physicalCores')::int >= 8
order by (doc->>'memory')::float desc limit 20;""".replace("\n", " ")


class Postgres:
    """One server in a directory that its own user can reach; it refuses to run as root."""

    def __init__(self):
        self.place = place.directory("mf2c-bench-postgres", tempfile.gettempdir())
        self.user = "postgres" if os.geteuid() == 0 else None
        self.place.chmod(0o755)
        data = self.place / "data"
        data.mkdir()
        if self.user:
            subprocess.run(["chown", self.user, data], check=True)
        self.port = place.free_port()
        self._run("initdb", "-D", data, "-A", "trust", "-U", "bench", "-N", "-E", "UTF8", "--locale=C")
        settings = ["-p", str(self.port), "-h", "127.0.0.1", "-c", "unix_socket_directories="]
        # SIGINT is its fast shutdown: sessions end, data are kept.
        self.child = place.Child([PROGRAMS / "postgres", "-D", data, *settings], self.place / "log",
                                 user=self.user, stop_signal=signal.SIGINT)
        self.child.wait_until(lambda: self._psql("select 1", check=False).returncode == 0, "a session")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stop()
        place.remove(self.place)

    def _run(self, program, *arguments, check=True, text=None):
        command = [str(word) for word in (PROGRAMS / program, *arguments)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, user=self.user, cwd=self.place,
                              timeout=place.PATIENCE + place.SECONDS)
        if check and done.returncode:
            raise place.Failure(f"{program} failed:\n{done.stderr}")
        return done

    def _server(self):
        return "-h", "127.0.0.1", "-p", str(self.port), "-U", "bench"

    def _psql(self, sql, check=True):
        return self._run("psql", *self._server(), "-qX", "-v", "ON_ERROR_STOP=1", "postgres", text=sql, check=check)

    def add_devices(self, count):
        """Makes the table and fills it."""
        # COPY's text format takes backslashes as escapes; these documents hold none.
        rows = "\n".join(documents.lines(documents.device, range(count)))
        self._psql(f"""create table device (id bigserial primary key, doc jsonb not null);
copy device (doc) from stdin;
{rows}
\\.
create index on device ((doc->>'arch'), ((doc->>'physicalCores')::int));
vacuum analyze device;
""")

    def query(self):
        """Two attributes, order, a page of 20."""
        script = self.place / "filter.sql"
        script.write_text(FILTER + "\n")
        before = self.child.cpu_seconds()
        seconds = f"{place.SECONDS:.0f}"
        done = self._run("pgbench", *self._server(), "-n", "-M", "prepared", "-c", CONNECTIONS, "-j", "1", "-T",
                         seconds, "-f", script, "postgres").stdout
        spent = self.child.cpu_seconds() - before
        rate = float(re.search(r"^tps = ([\d.]+)", done, re.M).group(1))
        count = int(re.search(r"actually processed: (\d+)", done).group(1))
        return load.Load(rate, 0.0, 0.0, spent / count * 1e6)
