"""What sessions and keys cost: memory for a hundred thousand of them, and the check of a cookie on each request."""

import concurrent.futures
import http.client
import json
import time

import agent
import documents
import load
import place
import table

MIB = 2**20
EACH = 50_000
# No user may have more than 1,000 of either.
USERS = 100
DEVICES = 5_000
# So many sign-ins at once from one address are never taken for guesses.
AT_ONCE = 16
JSON = "content-type: application/json"
TEMPLATE = {"method": "api-key", "instance": "api-key", "key": "key", "secret": "secret"}
KEY = {"credentialTemplate": {"href": "credential-template/generate-api-key"}}


def sessions():
    """Resident memory for 50,000 keys and 50,000 sessions, made by requests."""
    data = place.directory("sessions")
    with agent.Agent(data / "data") as ours:
        forms = [_key(ours, user) for user in range(USERS)]
        before = ours.child.memory_mib()
        _make_keys(ours)
        _make_sessions(ours, forms)
        time.sleep(1)
        grown = ours.child.memory_mib() - before
        place.say(f"{before:.1f} MiB before, {grown:.1f} MiB more with {_count(ours, 'session')} sessions and "
                  f"{_count(ours, 'credential')} keys")
    with agent.Agent(data / "data") as ours:
        again = ours.child.memory_mib() - before
        place.say(f"{again:.1f} MiB more after a restart, ready after {ours.ready_after:.0f} ms")
    place.remove(data)
    for what, value in (("after making them", grown), ("after a restart", again)):
        yield table.Row(f"memory for {EACH:,} sessions and {EACH:,} keys, {what}",
                        f"{value:.1f} MiB ({value * MIB / 1e6:.1f} MB)", goal="60 MB", met=value * MIB <= 60e6)


def cookie():
    """GET by id over HTTPS with a cookie, beside the same with the header."""
    with agent.Agent() as ours:
        ids = documents.shuffled(ours.add("device", documents.device, DEVICES, agent.JANE))
        paths = [f"/api/{id}" for id in ids]
        cookie = _sign_in(ours, _key(ours))
        place_of = ours.data.parent
        by_header = load.Requests(place_of, f"{ours.data.name}-header", "GET", "", paths, [agent.JANE])
        by_cookie = load.Requests(place_of, f"{ours.data.name}-cookie", "GET", "", paths, [f"cookie: {cookie}"])
        headers, cookies = load.interleaved(lambda: load.run(ours.child, ours.https, by_header),
                                            lambda: load.run(ours.child, ours.https, by_cookie))
        by_header.file.unlink()
        by_cookie.file.unlink()
    ratio = table.Ratio([run.rate for run in cookies], [run.rate for run in headers])
    yield table.Row("GET by id with a session's cookie, HTTPS, 32 connections", load.median(cookies),
                    f"the same with the header: {load.median(headers)}", ratio.percent(), "at least 95 %",
                    ratio.value >= 0.95)


def _as(user):
    name = f"jane{user}" if user else "jane"
    return {"slipstream-authn-info": f"{name} USER", "content-type": "application/json"}


def _key(ours, user=0):
    """A body that signs in with a key of one of many Janes."""
    try:
        ours.request("POST", "/api/session-template", json.dumps(TEMPLATE), [agent.ADMIN, JSON])
    except place.Failure as failure:
        if "409" not in str(failure):
            raise
    headers = [f"{name}: {value}" for name, value in _as(user).items()]
    made = json.loads(ours.request("POST", "/api/credential", json.dumps(KEY), headers))
    form = {"href": "session-template/api-key", "key": made["resource-id"], "secret": made["secretKey"]}
    return json.dumps({"sessionTemplate": form})


def _sign_in(ours, body):
    """The cookie of a new session."""
    connection = http.client.HTTPConnection(ours.http.removeprefix("http://"), timeout=place.PATIENCE)
    try:
        connection.request("POST", "/api/session", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.getheader("set-cookie").split(";")[0]
    finally:
        connection.close()


def _make_keys(ours):
    """Makes keys, as many for each user, some users at a time."""
    def make(user):
        connection = http.client.HTTPConnection(ours.http.removeprefix("http://"), timeout=place.PATIENCE)
        try:
            for _ in range(EACH // USERS - 1):
                connection.request("POST", "/api/credential", json.dumps(KEY), _as(user))
                connection.getresponse().read()
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as some:
        list(some.map(make, range(USERS)))


def _make_sessions(ours, forms):
    """Signs the users in again and again, until there are enough sessions."""
    requests = load.Requests(ours.data.parent, f"{ours.data.name}-session", "POST", "/api/session", forms, [JSON])
    while (missing := EACH - _count(ours, "session")) > 0:
        # Some 5,000 a second; the last bit more slowly, so as not to make many more.
        seconds = max(1, missing // 10_000)
        run = load.run(ours.child, ours.http, requests, connections=AT_ONCE if missing > 10_000 else 1, seconds=seconds)
        place.say(f"session: {run}")
    requests.file.unlink()


def _count(ours, kind):
    """How many there are, from the metrics: nobody may list sessions."""
    for line in ours.request("GET", "/metrics").decode().splitlines():
        if line.startswith("mf2c_documents{") and f'"{kind}"' in line:
            return int(float(line.rsplit(" ", 1)[1]))
    return 0
