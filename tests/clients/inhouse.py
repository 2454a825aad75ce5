"""Sends what the programs around the original sent, and checks what they rely on.

    inhouse.py ENDPOINT

ENDPOINT is an agent in development mode, without `/api`: these programs are known by a header and nothing else. Each
part is named after the program: life cycle and user management, service manager, service levels, policies, bootstrap,
watcher, event jobs.
"""

import http.client
import json
import ssl
import sys
import urllib.parse

MOMENT = "2019-06-14T18:06:24.203113Z"


class Program:
    """A program with its header, as its HTTP library sends it."""

    def __init__(self, endpoint, header="super ADMIN", accept="*/*"):
        self.parts = urllib.parse.urlsplit(endpoint)
        self.headers = {"Accept": accept, "slipstream-authn-info": header}

    def send(self, method, path, body=None, expected=None):
        """One request on a connection of its own; quotes and `<` in the path are not encoded."""
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(self.parts.netloc, timeout=30, context=context)
        headers = dict(self.headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, "/api" + path, body=None if body is None else json.dumps(body), headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        check(f"{method} {path}", expected is None or answer.status == expected, (answer.status, text))
        return answer.status, json.loads(text)

    def get(self, path):
        """A read that succeeds."""
        return self.send("GET", path, expected=200)[1]

    def post(self, path, body):
        """An add that succeeds: the new id."""
        return self.send("POST", path, body, 201)[1]["resource-id"]

    def put(self, path, body):
        """An edit that succeeds: the whole document."""
        return self.send("PUT", path, body, 200)[1]


def check(what, holds, shown=None):
    """Ends everything with the name of what does not hold."""
    if not holds:
        sys.exit(f"{what}: {shown!r}")


def common(user, uri):
    """What the life cycle manager puts into each body: moments of its own, a list, and a link for a name."""
    everybody = {"principal": "ANON", "type": "ROLE", "right": "ALL"}
    administrators = {"principal": "ADMIN", "type": "ROLE", "right": "ALL"}
    return {
        "created": MOMENT,
        "updated": MOMENT,
        "resourceURI": {"href": uri},
        "acl": {"owner": {"principal": user, "type": "ROLE"}, "rules": [administrators, everybody]},
    }


DEVICE = {
    "deviceID": "fd97ac4c", "isLeader": False, "os": "Linux", "arch": "x86_64", "cpuManufacturer": "Intel",
    "physicalCores": 4, "logicalCores": 8, "cpuClockSpeed": "1.8 GHz", "memory": 7873.5, "storage": 195865.0,
    "agentType": "Fog agent", "networkingStandards": "['eth0', 'lo']", "hwloc": "", "cpuinfo": "xml info CPU",
}  # fmt: skip

DYNAMIC = {
    "ramFree": 3060.5, "ramFreePercent": 38.9, "storageFree": 168181.5, "storageFreePercent": 90.5,
    "cpuFreePercent": 79.5, "powerRemainingStatus": "unlimited", "powerRemainingStatusSeconds": "unlimited",
    "powerPlugged": True, "ethernetAddress": "172.18.0.14", "wifiAddress": "Empty",
    "ethernetThroughputInfo": ["13178", "0", "0"], "wifiThroughputInfo": ["E"], "actuatorInfo": "none",
    "status": "connected",
}  # fmt: skip

SERVICE = {"name": "hello", "exec": "hello-world", "exec_type": "docker", "agent_type": "normal"}

AGREEMENT = {
    "name": "A", "state": "stopped",
    "details": {
        "id": "a02", "type": "agreement", "name": "A", "provider": {"id": "mf2c", "name": "mF2C Platform"},
        "client": {"id": "c02", "name": "A client"}, "creation": "2018-01-16T17:09:45Z",
        "guarantees": [{"name": "G", "constraint": "[execution_time] < 10"}],
    },
}  # fmt: skip


def policies(program):
    """Makes the agent's one document, and takes a second attempt for the first."""
    none = program.get("/agent")
    check("no agent yet", none["count"] == 0 and none["agents"] == [], none)
    agent = {"device_id": "device/fd97", "device_ip": "127.0.0.1", "authenticated": True, "connected": True}
    agent = {**agent, "isLeader": False, "childrenIPs": ["127.0.0.1"]}
    id = program.post("/agent", agent)
    status, again = program.send("POST", "/agent", agent)
    check("the agent again", status == 409 and again["resource-id"] == id, again)
    one = program.get("/agent")
    check("the agent", one["count"] == 1 and one["agents"][0]["device_ip"] == "127.0.0.1", one)
    edited = program.put("/" + id, {**one["agents"][0], "isLeader": True})
    check("the agent edited", edited["isLeader"] is True, edited)


def life_cycle(program):
    """Finds devices by attributes, and sends whole documents with attributes that are the server's."""
    device = program.post("/device", {**DEVICE, **common("testuser", "device")})
    found = program.get('/device?$filter=deviceID="fd97ac4c"')
    check("a device by its name", [each["id"] for each in found["devices"]] == [device], found)
    program.post("/device-dynamic", {**DYNAMIC, "device": {"href": device}, **common("testuser", "x")})
    found = program.get(f"/device-dynamic?$filter=device/href='{device}'")
    check("what a device does", found["deviceDynamics"][0]["powerRemainingStatus"] == "unlimited", found)
    model = {"max_cpu_usage": 50, "max_memory_usage": 50, "max_storage_usage": 50, "max_bandwidth_usage": 50}
    model = {**model, "device_id": device, "gps_allowed": False, "battery_limit": 50, "max_apps": 1}
    profile = {"service_consumer": True, "resource_contributor": False, "device_id": device}
    for kind, tag, body in [("sharing-model", "sharingModels", model), ("user-profile", "userProfiles", profile)]:
        id = program.post(f"/{kind}", {**body, **common("testuser", kind)})
        found = program.get(f'/{kind}?$filter=device_id="{device}"')
        check(f"{kind} of a device", [each["id"] for each in found[tag]] == [id], found)
        owned = program.get(f"/{kind}?$filter=acl/owner/principal='testuser'")
        check(f"{kind} of a user", owned["count"] == 1, owned)
        shown = program.get(f"/{id}")
        check("the server's own attributes", shown["resourceURI"].startswith("http://"), shown)
        check("the server's own moments", shown["created"] != MOMENT, shown)
        # It sends back all that it has read, and reads it once more.
        shown["updated"] = "2019-07-14T18:06:24.203113Z"
        shown["device_id"] = "device/other"
        program.put(f"/{id}", shown)
        check("what was sent", program.get(f"/{id}")["device_id"] == "device/other")
        program.put(f"/{id}", {"device_id": device, "updated": MOMENT, "acl": common("testuser", "")["acl"]})
    agent = {"url": "192.168.1.41", "ports": [8081], "container_id": "", "status": "waiting", "allow": True}
    agent = {**agent, "device_id": device, "app_type": "docker", "master_compss": False, "agent_param": "not-defined"}
    instance = {"user": "testuser", "device_id": device, "device_ip": "192.168.1.41", "parent_device_id": device}
    instance = {**instance, "parent_device_ip": "192.168.1.1", "service": "service/x", "agreement": "agreement/x"}
    instance = {**instance, "status": "created-not-initialized", "service_type": "docker", "agents": [agent]}
    id = program.post("/service-instance", {**instance, **common("testuser", "x")})
    started = program.put(f"/{id}", {**program.get(f"/{id}"), "status": "started", "updated": MOMENT})
    check("a started instance", started["status"] == "started" and started["agents"] == [agent], started)
    report = {"requesting_application_id": {"href": id}, "compute_node_id": "n", "operation_name": "dijkstra"}
    report = {**report, "operation_id": "o1", "start_time": MOMENT, "expected_end_time": MOMENT}
    report = {**report, "execution_length": 99.9, "result": "result"}
    program.post("/service-operation-report", {**report, **common("testuser", "x")})
    found = program.get("/service-operation-report?$filter=operation_id='o1'")
    check("a report by its operation", found["serviceOperationReports"][0]["execution_length"] == 99.9, found)


def service_manager(program):
    """Works on services, the models of their quality, and violations."""
    service = program.post("/service", {**SERVICE, "num_agents": "1", "sla_templates": ["sla-template/x"]})
    shown = program.get(f"/{service}")
    check("a number sent as text", shown["num_agents"] == 1, shown)
    check("a link sent as text", shown["sla_templates"] == [{"href": "sla-template/x"}], shown)
    edited = program.put(f"/{service}", {**SERVICE, "id": service, "category": 3, "cpu_recommended": 0.7})
    check("the category", edited["category"] == 3 and edited["id"] == service, edited)
    model = {"service": {"href": service}, "agreement": {"href": "agreement/x"}, "agents": [{"href": "device/x"}]}
    model = {**model, "config": "test", "num_service_instances": 0, "num_service_failures": 0}
    model = {**model, "current_state": [0.0], "next_state": [0.0]}
    id = program.post("/qos-model", model)
    found = program.get(f"/qos-model?$filter=service/href='{service}'")
    check("qos-models", [each["id"] for each in found["qos-models"]] == [id], found)
    decoded = program.put(f"/{id}", {**found["qos-models"][0], "num_service_instances": 1})
    check("the model that comes back", decoded["num_service_instances"] == 1 and decoded["agents"], decoded)
    none = program.get("/sla-violation?$filter=agreement_id/href='agreement/x'")
    check("no violations", none["count"] == 0 and none["slaViolations"] == [], none)


def service_levels(program):
    """Reads agreements with a filter as it is typed, and writes assessments back, which are the agent's own and passed over."""
    agreement = program.post("/agreement", AGREEMENT)
    found = program.get('/agreement?$filter=state="stopped"&$filter=details/guarantees!=null&$orderby=created')
    check("agreements", [each["id"] for each in found["agreements"]] == [agreement], found)
    moments = {"first_execution": MOMENT, "last_execution": "2019-06-14T18:07:24.203113008Z"}
    assessment = {**moments, "guarantees": {"G": {**moments, "last_values": {}}}}
    written = program.put(f"/{agreement}", {**found["agreements"][0], "state": "started", "assessment": assessment})
    check("an assessment", written.get("assessment") != assessment and written["state"] == "started", written)
    violation = {"guarantee": "G", "datetime": moments["last_execution"], "agreement_id": {"href": agreement}}
    violation = {**violation, "constraint": "execution_time < 10", "values": {"execution_time": 12}}
    program.post("/sla-violation", violation)
    found = program.get(f'/sla-violation?$filter=agreement_id/href="{agreement}"&$filter=datetime<="2030-01-01T00:00:00Z"')
    check("a violation", found["count"] == 1 and found["slaViolations"][0]["values"]["execution_time"] == 12, found)
    template = {"name": "default", "state": "started", "details": {**AGREEMENT["details"], "type": "template"}}
    program.post("/sla-template", template)
    check("templates", program.get('/sla-template?$filter=name="default"')["templates"][0]["name"] == "default")


def bootstrap(program):
    """Waits for the entry point, counts users, registers the first one and posts the template of its tokens."""
    check("the entry point", program.get("/cloud-entry-point")["baseURI"].endswith("/api/"))
    before = program.get("/user")["count"]
    password = "correct horse battery"
    form = {"href": "user-template/self-registration", "username": "firstuser", "emailAddress": "first@example.org"}
    form = {"userTemplate": {**form, "password": password, "passwordRepeat": password}}
    user = program.post("/user", form)
    check("the first user", user == "user/firstuser" and program.get("/user")["count"] == before + 1, user)
    check("the first user again", program.send("POST", "/user", form)[0] == 409)
    active = program.put("/" + user, {"id": user, "state": "ACTIVE"})
    check("an active user", active["state"] == "ACTIVE" and "password" not in active, active)
    status, made = program.send("POST", "/session-template", {"method": "jwt", "instance": "jwt"})
    check("the template of tokens", status in (201, 409) and made["resource-id"] == "session-template/jwt", made)


def watcher(program):
    """Finds what a device does by its address, and marks it as gone with one attribute."""
    found = program.get('/device-dynamic?$filter=ethernetAddress="172.18.0.14"')
    check("a device by its address", found["count"] == 1, found)
    before = found["deviceDynamics"][0]
    after = program.put("/" + before["id"], {"status": "disconnected"})
    kept = {name: value for name, value in before.items() if name not in ("status", "updated")}
    check("one attribute", after["status"] == "disconnected" and kept.items() <= after.items(), after)


def event_jobs(program):
    """Asks every second for what is new."""
    for kind, tag in [("user", "users"), ("service-operation-report", "serviceOperationReports")]:
        for attribute in ["created", "updated"]:
            new = program.get(f'/{kind}?$orderby={attribute}:desc&$filter={attribute}>"2019-01-01T00:00:00Z"&$last=100')
            times = [each[attribute] for each in new[tag]]
            check(f"{kind} by {attribute}", times == sorted(times, reverse=True), times)
            none = program.get(f'/{kind}?$orderby={attribute}:desc&$filter={attribute}>"2999-01-01T00:00:00.000Z"')
            check(f"nothing new of {kind}", none["count"] == 0 and none[tag] == [], none)


def main():
    """All programs, one after the other."""
    endpoint = sys.argv[1]
    for part in [bootstrap, policies, life_cycle, service_manager, service_levels, watcher, event_jobs]:
        header = "internal ADMIN" if part in (policies, watcher) else "super ADMIN"
        part(Program(endpoint, header))
        print(f"done: {part.__name__}")


main()
