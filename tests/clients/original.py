"""Makes every call of the original's Python client, and checks what comes back.

    original.py ENDPOINT DIRECTORY USERNAME PASSWORD

ENDPOINT is without `/api`; cookies go to files in DIRECTORY. The client is `slipstream-api` if that is installed, else
what stands in for it beside this file. It prints which, and each call when it has done what it should.
"""

import os
import sys
import warnings

warnings.simplefilter("ignore")
try:
    from slipstream.api import Api
    from slipstream.api.api import SlipStreamError

    CLIENT = "slipstream-api"
except ImportError:
    from standin import Api, SlipStreamError

    CLIENT = "standin"

COOKIE = "com.sixsq.slipstream.cookie"
DESCRIBE = "http://sixsq.com/slipstream/1/action/describe"


def check(what, holds, shown=None):
    """Ends everything with the name of what does not hold."""
    if not holds:
        sys.exit(f"{what}: {shown!r}")


def refused(what, call, status):
    """Checks that a call is refused, and with which message."""
    try:
        call()
    except SlipStreamError as error:
        check(what, error.response.status_code == status, error.response.status_code)
        return error.reason
    sys.exit(f"{what} was not refused")


def sign_in(connect, username, password):
    """Signs in, and finds out who is signed in."""
    api = connect("person")
    check("nobody is signed in", api.current_session() is None and not api.is_authenticated())
    wrong = api.login_internal(username, password + "x")
    check("a wrong password", wrong.status_code == 403, wrong.status_code)
    check("its message", wrong.json()["message"] == f"invalid credentials for '{username}'", wrong.json())
    right = api.login_internal(username, password)
    check("a right password", right.status_code == 201 and right.json()["status"] == 201, right.json())
    session = right.json()["resource-id"]
    check("its session", session.startswith("session/") and right.headers["location"] == session, session)
    check("current_session", api.current_session() == session and api.is_authenticated(), api.current_session())
    api._username = None
    check("username", api.username == username, api.username)
    return api


def entry_point(api):
    """Finds the collections."""
    points = api.cimi_cloud_entry_point.entry_points
    for tag, href in [("services", "service"), ("templates", "sla-template"), ("qos-models", "qos-model")]:
        check("entry_points", points.get(tag) == href, points)
    check("entry_points are collections alone", all(isinstance(href, str) for href in points.values()), points)


def service(name, **more):
    """The body of a service."""
    return {"name": name, "exec": "hello-world", "exec_type": "docker", "agent_type": "normal", **more}


def life(api):
    """Adds, finds, reads, edits and deletes."""
    names = ["alpha", "beta", "gamma"]
    ids = []
    for number, name in enumerate(names):
        added = api.cimi_add("services", service(name, description="short-lived", category=number))
        check("cimi_add", added.json["status"] == 201 and added.message.endswith(" created"), added.json)
        ids.append(added.json["resource-id"])

    none = api.cimi_search("services", last=0)
    check("$last=0", none.count == 3 and none.resources_list == [] and "add" in none.operations_by_name, none.json)
    check("no parameters at all", api.cimi_search("services").count == 3)
    both = api.cimi_search("services", filter=["category>0", "name!='gamma'"])
    check("a list of filters", [each.id for each in both] == [ids[1]], both.json)
    one = api.cimi_search("services", filter="name='alpha' or name=\"beta\"", orderby="name:desc", first=1, last=1)
    check("a page", one.count == 2 and [each.id for each in one.resources_list] == [ids[1]], one.json)
    listed = api.cimi_search("services", orderby=["exec:asc", "category:desc"])
    check("a list of orders", [each.id for each in listed] == ids[::-1], listed.json)
    few = api.cimi_search("services", select=["name", "category"], filter="category=2")
    check("a list of attributes", few.resources_list[0].json["category"] == 2, few.json)
    check("and no others", "exec" not in few.resources_list[0].json, few.json)
    sums = api.cimi_search("services", aggregation="max:category", last=0)
    check("an aggregation", sums.json["aggregations"]["max:category"]["value"] == 2, sums.json)

    shown = api.cimi_get(ids[0])
    check("cimi_get", shown.id == ids[0] and {"edit", "delete"} <= set(shown.operations_by_name), shown.json)
    part = api.cimi_get(ids[0], select=["name", "exec_type"])
    check("$select", part.json["exec_type"] == "docker" and "agent_type" not in part.json, part.json)
    edited = api.cimi_edit(ids[0], {"category": 9})
    check("cimi_edit", edited.json["category"] == 9 and edited.json["name"] == "alpha", edited.json)
    # Clients send back the whole document.
    again = api.cimi_edit(ids[0], {**shown.json, "category": 3})
    check("a whole document sent back", again.json["category"] == 3, again.json)
    cut = api.cimi_edit(ids[0], {"category": 4}, select=["description"])
    check("an attribute removed", "description" not in cut.json and cut.json["category"] == 4, cut.json)

    for id in ids:
        gone = api.cimi_delete(id)
        check("cimi_delete", gone.json["status"] == 200 and gone.message == f"{id} deleted", gone.json)
    check("what is deleted", refused("it", lambda: api.cimi_get(ids[0]), 404) == f"{ids[0]} not found")
    bad = refused("a bad body", lambda: api.cimi_add("services", {"name": "x", "odd": 1}), 400)
    check("its message", "odd" in bad, bad)
    try:
        api.cimi_add("sessionTemplates", {})
        sys.exit("an operation that is not offered was found")
    except KeyError:
        pass


def events(api):
    """Finds the events of one run."""
    run = os.urandom(4).hex()
    for kind in ["state", "alarm", "system"]:
        content = {"resource": {"href": f"run/{run}"}, "state": "Started"}
        api.cimi_add("events", {"timestamp": "2015-01-16T08:05:00.0Z", "type": kind, "severity": "low", "content": content})
    check("all events", api.get_deployment_events(run).count == 3)
    check("some events", api.get_deployment_events(run, ["state", "alarm"]).count == 2)
    check("no events", api.get_deployment_events("other").count == 0)


def describe(api):
    """Carries out an operation, which is a POST without a body."""
    described = api.cimi_operation("session-template/internal", DESCRIBE)
    check("cimi_operation", isinstance(described.json, dict) and described.json, described.json)
    try:
        api.cimi_operation("session-template/internal", "describe")
        sys.exit("an operation was found by a part of its name")
    except KeyError:
        pass


def keys(api, connect, username):
    """Makes a key and signs in with it."""
    template = {"href": "credential-template/generate-api-key", "ttl": 0}
    made = api.cimi_add("credentials", {"name": "a key", "credentialTemplate": template})
    key, secret = made.json["resource-id"], made.json["secretKey"]
    shown = api.cimi_get(key)
    check("a key", shown.json["name"] == "a key" and "digest" not in shown.json and secret not in str(shown.json))
    for name, text in [(key, secret), (key.split("/")[1], secret.replace(".", ""))]:
        program = connect("program")
        answer = program.login_apikey(name, text)
        check("login_apikey", answer.status_code == 201, answer.content)
        check("whose key", program.username == username, program.username)
        program.logout()
    wrong = ("y" if secret.startswith("x") else "x") + secret[1:]
    check("a wrong secret", connect("program").login_apikey(key, wrong).status_code == 403)
    api.cimi_delete(key)
    check("a deleted key", connect("program").login_apikey(key, secret).status_code == 403)


def sessions(api, connect, endpoint, directory, username, password):
    """Ends sessions, and has them made again."""
    # Another process finds the cookie in the file.
    again = Api(endpoint, cookie_file=os.path.join(directory, "person"), insecure=True)
    check("the cookie in the file", again.current_session() == api.current_session())
    with open(os.path.join(directory, "person"), encoding="ascii") as file:
        check("the name of the cookie", COOKIE in file.read())
    api.logout()
    check("after the logout", api.current_session() is None)
    refused("a search after the logout", lambda: api.cimi_search("services"), 403)
    refused("a copied cookie after the logout", lambda: again.cimi_search("services"), 403)

    credentials = {"username": username, "password": password}
    lasting = connect("lasting", reauthenticate=True, login_creds=credentials)
    check("a sign-in when it is needed", lasting.cimi_search("services").count == 0)
    first = lasting.current_session()
    check("its session", first is not None)
    other = connect("other")
    other.login_internal(username, password)
    # The session ends behind the client's back.
    ended = connect("lasting")
    ended.logout()
    check("a sign-in when it is needed again", lasting.cimi_search("services").count == 0)
    check("another session", lasting.current_session() not in (None, first, other.current_session()))
    other.logout()
    lasting.logout()
    # Who has signed out is not signed in again unasked.
    refused("a search after the last logout", lambda: lasting.cimi_search("services"), 403)


def main():
    """All calls."""
    endpoint, directory, username, password = sys.argv[1:]

    def connect(name, **more):
        return Api(endpoint, cookie_file=os.path.join(directory, name), insecure=True, **more)

    print(f"client: {CLIENT}")
    api = sign_in(connect, username, password)
    for what, call in [
        ("entry point", lambda: entry_point(api)),
        ("life", lambda: life(api)),
        ("events", lambda: events(api)),
        ("describe", lambda: describe(api)),
        ("keys", lambda: keys(api, connect, username)),
        ("sessions", lambda: sessions(api, connect, endpoint, directory, username, password)),
    ]:
        call()
        print(f"done: {what}")


main()
