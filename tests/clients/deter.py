"""Drives DETER's testbed API with zeep, from the descriptions that the agent serves.

    deter.py BASE ROOTS DIRECTORY ADMIN PASSWORD PREFIX

BASE is the address of the services (`https://127.0.0.1:52323/axis2/services`), ROOTS a file with the roots in PEM, DIRECTORY
where certificates go, ADMIN and PASSWORD an administrator, PREFIX what may stand before a number in a mail. Numbers that
come by mail are read from standard input, one a line, after a line `mail TO` has been printed.

It prints `done: WHAT` for each part that has done what it should, `operations: SERVICE NAMES` with what it has called, and
`succeeded: SERVICE NAMES` with what was answered by something other than a fault at least once.
"""

import collections
import datetime
import sys
import time
import warnings

import requests
import zeep
from zeep.transports import Transport

warnings.simplefilter("ignore")
SERVICES = ["ApiInfo", "Users", "Projects", "Experiments", "Realizations", "Resources"]
NS = "{http://api.testbed.deterlab.net/xsd}"
BASE, ROOTS, DIRECTORY, ADMIN, PASSWORD, PREFIX = sys.argv[1:7]
CALLED = collections.defaultdict(set)
SUCCEEDED = collections.defaultdict(set)


def check(what, holds, shown=None):
    """Ends everything with the name of what does not hold."""
    if not holds:
        sys.exit(f"{what}: {shown!r}")


class Fault(Exception):
    """A fault with the number and the sentence of the service."""

    def __init__(self, code, detail):
        super().__init__(f"{code} {detail}")
        self.code, self.detail = code, detail


class Testbed:
    """The services, for somebody who shows this certificate, or none."""

    def __init__(self, certificate=None, version="12"):
        session = requests.Session()
        session.verify = ROOTS
        session.trust_env = False
        if certificate:
            session.cert = certificate
        self.clients = {
            name: zeep.Client(
                f"{BASE}/{name}?wsdl",
                transport=Transport(session=session),
                port_name=f"{name}HttpsSoap{version}Endpoint",
            )
            for name in SERVICES
        }

    def call(self, service, operation, **given):
        """What an operation gives; a Fault where it refuses."""
        CALLED[service].add(operation)
        client = self.clients[service]
        try:
            gave = getattr(client.service, operation)(**given)
            SUCCEEDED[service].add(operation)
            return gave
        except zeep.exceptions.Fault as fault:
            detail = fault.detail if fault.detail is not None else []
            if not len(detail):
                raise Fault(0, fault.message) from fault
            check("the reason of a fault", fault.message == "unknown", fault.message)
            element = client.get_element(f"{NS}{service}DeterFault")
            deter = element.parse(detail[0], client.wsdl.types).DeterFault
            raise Fault(deter.errorCode, deter.detailMessage) from fault

    def refused(self, code, detail, service, operation, **given):
        """Checks that an operation refuses, with this number and a sentence that begins so."""
        try:
            gave = self.call(service, operation, **given)
        except Fault as fault:
            same = fault.code == code and (fault.detail or "").startswith(detail)
            check(f"{operation} refuses with {code} {detail}", same, str(fault))
            return
        check(f"{operation} refuses with {code} {detail}", False, gave)

    def operations(self, service):
        """The names of all operations of a service's description."""
        (port,) = [port for port in self.clients[service].wsdl.services[service].ports.values() if "Soap12" in port.name]
        return set(port.binding._operations)


def login(name, password):
    """Signs somebody in; what he has then."""
    nobody = Testbed()
    challenge = nobody.call("Users", "requestChallenge", uid=name, types=["clear"])
    pem = nobody.call("Users", "challengeResponse", responseData=password.encode(), challengeID=challenge.challengeID)
    return keep(name, pem)


def keep(name, pem):
    """Keeps a certificate with its key in a file."""
    check("a certificate", b"BEGIN CERTIFICATE" in pem and b"BEGIN RSA PRIVATE KEY" in pem, pem[:40])
    path = f"{DIRECTORY}/{name}.pem"
    with open(path, "wb") as file:
        file.write(pem)
    return Testbed(path)


def mail(to):
    """The number that has come by mail."""
    print(f"mail {to}", flush=True)
    return int(sys.stdin.readline())


def done(what):
    """Tells that a part has done what it should."""
    print(f"done: {what}", flush=True)


def api_info(admin):
    """The version, an echo, and whose key was shown, in both versions of SOAP."""
    for version in ["11", "12"]:
        nobody = Testbed(version=version)
        told = nobody.call("ApiInfo", "getVersion")
        check("a version", told.version and told.patchLevel and told.keyID is None, told)
        for text in ["a<&>b", "ä 😀", " two\nlines ", ""]:
            check("an echo", (nobody.call("ApiInfo", "echo", param=text) or "") == text, text)
        check("an echo of nothing", nobody.call("ApiInfo", "echo", param=zeep.xsd.Nil) is None)
    check("a key", len(admin.call("ApiInfo", "getVersion").keyID) == 40)
    check("roots", "BEGIN CERTIFICATE" in nobody.call("ApiInfo", "getServerCertificate"))
    done("ApiInfo")


def profile(name, phone="555-0100", **more):
    """The attributes of a new user."""
    given = {"name": name.title(), "email": f"{name}@example.org", "phone": phone, **more}
    return [{"name": key, "value": value} for key, value in given.items() if value is not None]


def values(shown):
    """The values of a profile, by their names."""
    return {attribute.name: attribute.value for attribute in shown.attributes}


def accounts(admin):
    """New users: by an administrator at once, and by mail."""
    nobody = Testbed()
    made = admin.call("Users", "createUserNoConfirm", uid="john", profile=profile("john"), clearpassword="correct horse")
    check("a name", made == "john", made)
    john = login("john", "correct horse")
    john.refused(1, "Access denied", "Users", "createUserNoConfirm", profile=profile("eve"))
    refused = lambda text, given: nobody.refused(2, text, "Users", "createUser", profile=given, urlPrefix=PREFIX)
    refused("No profile passed to profiled object!", [])
    refused("Required attribute email not present", [a for a in profile("x") if a["name"] != "email"])
    refused("Unknown Attribute in profile: shoe", profile("x", shoe="45"))
    refused("Attribute phone badly formatted.", profile("x", phone="abc"))
    made = nobody.call("Users", "createUser", profile=profile("abierce"), urlPrefix=PREFIX)
    check("a name from an address", made.uid == "abierce", made.uid)
    number = mail("abierce@example.org")
    fresh = keep("fresh", made.identity)
    check("one's own profile", values(fresh.call("Users", "getUserProfile", uid="abierce"))["name"] == "Abierce")
    fresh.refused(1, "Access denied", "Users", "changePassword", uid="abierce", newPass="a new password")
    nobody.refused(2, "No such user abierce", "Users", "requestChallenge", uid="abierce")
    namesake = profile("abierce", email="abierce@elsewhere.example")
    again = nobody.call("Users", "createUser", profile=namesake, urlPrefix=PREFIX)
    check("another name", again.uid != "abierce", again.uid)
    nobody.refused(2, "No password?", "Users", "changePasswordChallenge", challengeID=number)
    check("set", nobody.call("Users", "changePasswordChallenge", challengeID=number, newPass="devils dictionary"))
    text = f"no challenge with ID {number}"
    nobody.refused(2, text, "Users", "changePasswordChallenge", challengeID=number, newPass="another password")
    fresh.refused(5, "Not logged in", "Users", "getUserProfile", uid="abierce")
    abierce = login("abierce", "devils dictionary")
    check("removed", admin.call("Users", "removeUser", uid=again.uid))
    admin.refused(2, "No such user", "Users", "removeUser", uid=again.uid)
    done("accounts")
    return abierce, john


def signing_in(abierce):
    """Challenges, wrong answers, and the end of a session."""
    nobody = Testbed()
    nobody.refused(2, "No such user unk", "Users", "requestChallenge", uid="unk")
    nobody.refused(2, "No uid given for challenge", "Users", "requestChallenge")
    nobody.refused(2, "Requested challenges not supported", "Users", "requestChallenge", uid="abierce", types=["masked"])
    challenge = nobody.call("Users", "requestChallenge", uid="abierce", types=["clear"])
    ends = datetime.datetime.strptime(challenge.validity, "%Y%m%dT%H%M%S%z")
    left = (ends - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    check("a challenge", challenge.type == "clear" and challenge.data is None and 60 < left <= 121, challenge)
    number = challenge.challengeID
    nobody.refused(1, "Invalid repsonse", "Users", "challengeResponse", responseData=b"wrong", challengeID=number)
    text = f"no challenge with ID {number}"
    nobody.refused(2, text, "Users", "challengeResponse", responseData=b"devils dictionary", challengeID=number)
    challenge = abierce.call("Users", "requestChallenge", uid="abierce")
    answer = {"responseData": b"devils dictionary", "challengeID": challenge.challengeID}
    check("the own certificate does", abierce.call("Users", "challengeResponse", **answer) is None)
    nobody.refused(2, "You are not logged in (no certificate presented)", "Users", "logout")
    nobody.refused(2, "No client certificate and one is required", "Users", "getUserProfile", uid="abierce")
    leaving = login("abierce", "devils dictionary")
    check("signed out", leaving.call("Users", "logout"))
    leaving.refused(5, "Not logged in", "Users", "getUserProfile", uid="abierce")
    leaving.refused(5, "Not logged in", "Users", "logout")
    challenge = leaving.call("Users", "requestChallenge", uid="abierce")
    answer = {"responseData": b"devils dictionary", "challengeID": challenge.challengeID}
    check("signed in with the same key", leaving.call("Users", "challengeResponse", **answer) is None)
    check("it counts again", leaving.call("Users", "getUserProfile", uid="abierce").id == "abierce")
    done("signing in")


def passwords(admin, abierce):
    """Changed by who knows them, by administrators, and by mail; who signs in again with the new ones."""
    nobody = Testbed()
    abierce.refused(2, "missing uid", "Users", "changePassword", newPass="another password")
    abierce.refused(2, "missing password", "Users", "changePassword", uid="abierce")
    abierce.refused(1, "Access denied", "Users", "changePassword", uid="john", newPass="another password")
    check("own", abierce.call("Users", "changePassword", uid="abierce", newPass="owl creek bridge"))
    login("abierce", "owl creek bridge")
    check("by an administrator", admin.call("Users", "changePassword", uid="john", newPass="battery staple"))
    john = login("john", "battery staple")
    nobody.refused(2, "No profile for id unknown", "Users", "requestPasswordReset", uid="unknown", urlPrefix=PREFIX)
    nobody.refused(2, "Missing uid", "Users", "requestPasswordReset", urlPrefix=PREFIX)
    elsewhere = {"uid": "abierce", "urlPrefix": "https://elsewhere.example/?c="}
    nobody.refused(2, "urlPrefix is no address", "Users", "requestPasswordReset", **elsewhere)
    check("sent", nobody.call("Users", "requestPasswordReset", uid="abierce", urlPrefix=PREFIX))
    number = mail("abierce@example.org")
    given = {"challengeID": number, "newPass": "in the midst of life"}
    check("set", nobody.call("Users", "changePasswordChallenge", **given))
    nobody.refused(2, f"no challenge with ID {number}", "Users", "changePasswordChallenge", **given)
    abierce.refused(5, "Not logged in", "Users", "getUserProfile", uid="abierce")
    again = login("abierce", "in the midst of life")
    done("passwords")
    return again, john


def profiles(admin, abierce):
    """What may be there, what is, and what becomes of it."""
    nobody = Testbed()
    schema = nobody.call("Users", "getProfileDescription")
    check("a schema", schema.id is None and len(schema.attributes) == 13, schema)
    (email,) = [attribute for attribute in schema.attributes if attribute.name == "email"]
    check("the address", email.access == "READ_ONLY" and email.format == r"[^\s@]+@[^\s@]+", email)
    check("its description", email.formatDescription == "A valid e-mail address" and not email.optional, email)
    abierce.refused(1, "Access denied", "Users", "getUserProfile", uid="john")
    check("an administrator sees it", values(admin.call("Users", "getUserProfile", uid="john"))["name"] == "John")
    changes = [("phone", "abc"), ("email", "a@b"), ("nosuch", "x"), ("city", "Chihuahua")]
    changes = [{"name": name, "value": value} for name, value in changes] + [{"name": "name", "delete": True}]
    results = abierce.call("Users", "changeUserProfile", uid="abierce", changes=changes)
    told = {result.name: result.success or result.reason.split(". ")[0] for result in results}
    expected = {
        "phone": "Misformatted attribute",
        "email": "Attribute not writeable",
        "nosuch": "No such attribute",
        "city": True,
        "name": "Can only delete optional attributes",
    }
    check("the results", told == expected, told)
    check("the city", values(abierce.call("Users", "getUserProfile", uid="abierce"))["city"] == "Chihuahua")
    away = [{"name": "city", "delete": True}]
    check("taken away", abierce.call("Users", "changeUserProfile", uid="abierce", changes=away)[0].success)
    check("it is", values(abierce.call("Users", "getUserProfile", uid="abierce"))["city"] is None)
    done("profiles")


def notifications(admin, abierce):
    """Sent by an administrator, read, marked and filtered."""
    urgent = [{"tag": "urgent", "isSet": True}]
    abierce.refused(1, "Access denied", "Users", "sendNotification", users=["john"], text="hello")
    admin.refused(2, "No such user unk", "Users", "sendNotification", users=["abierce", "unk"], text="hello")
    check("sent", admin.call("Users", "sendNotification", users=["abierce"], flags=urgent, text="a < b & c"))
    check("sent", admin.call("Users", "sendNotification", users=["abierce"], text="second"))
    got = abierce.call("Users", "getNotifications", uid="abierce")
    check("both", [one.body for one in got] == ["a < b & c", "second"] or len(got) == 2, got)
    first = [one for one in got if one.body == "a < b & c"][0]
    flags = [(flag.tag, flag.isSet) for flag in first.flags]
    check("the flags", flags == [("URGENT", True), ("READ", False)] and not first.isRead, flags)
    abierce.refused(2, "Bad Notification Flag", "Users", "getNotifications", uid="abierce", flags=[{"tag": "BOGUS"}])
    abierce.refused(1, "Access denied", "Users", "getNotifications", uid="john")
    read = [{"tag": "READ", "isSet": True}]
    check("marked", abierce.call("Users", "markNotifications", uid="abierce", ids=[first.id], flags=read))
    unread = [{"tag": "READ", "isSet": False}]
    left = abierce.call("Users", "getNotifications", uid="abierce", flags=unread)
    check("one is left", [one.body for one in left] == ["second"], left)
    check("marked", abierce.call("Users", "markNotificationsRead", uid="abierce", notifications=[left[0].id]))
    check("none is left", not abierce.call("Users", "getNotifications", uid="abierce", onlyUnread=True))
    abierce.refused(2, "No such notification 7", "Users", "markNotificationsRead", uid="abierce", notifications=[7])
    day = {"from": "20150102T030405Z", "to": first.sent}
    check("within", len(abierce.call("Users", "getNotifications", uid="abierce", **day)) >= 1)
    before = abierce.call("Users", "getNotifications", uid="abierce", to="20150102T030405Z")
    check("none before", not before, before)
    abierce.refused(2, "Bad date yesterday", "Users", "getNotifications", uid="abierce", to="yesterday")
    done("notifications")


TOPDL = b"""<experiment><version>1.0</version><substrates><name>lan</name></substrates>
<elements><computer><name>a</name><interface><substrate>lan</substrate></interface>
<attribute><attribute>exec</attribute><value>/bin/sleep 600</value></attribute>
<attribute><attribute>type</attribute><value>mainframe</value></attribute></computer></elements></experiment>"""

SLEEPING = b"""<elements><computer><name>NAME</name>
<attribute><attribute>exec</attribute><value>/bin/sleep 600</value></attribute></computer></elements>"""


def poll(what, look):
    """Asks again and again until there is something."""
    for _ in range(600):
        found = look()
        if found:
            return found
        time.sleep(0.05)
    sys.exit(f"{what} did not come to be")


def newest(who, uid):
    """The text of the newest notification."""
    return who.call("Users", "getNotifications", uid=uid)[-1].body


def project(who, uid, name):
    """A project as its members see it."""
    (found,) = who.call("Projects", "viewProjects", uid=uid, regex=f"^{name}$")
    return found


def rights(who, uid, name, of):
    """What a member may do."""
    (found,) = [member for member in project(who, uid, name).members if member.uid == of]
    return sorted(found.permissions or [])


def projects(admin, abierce, john):
    """Projects of both generations, and who belongs to them."""
    told = [{"name": "description", "value": "cars"}]
    given = {"projectid": "Alfa-Romeo", "owner": "abierce", "profile": told}
    check("made", abierce.call("Projects", "createProject", **given))
    abierce.refused(2, "Project name conflict on Alfa-Romeo", "Projects", "createProject", **given)
    add = {"projectid": "Alfa-Romeo", "uids": ["john"], "perms": ["ADD_USER"], "urlPrefix": PREFIX}
    abierce.refused(2, "Project is not yet approved", "Projects", "addUsers", **add)
    approve = {"projectid": "Alfa-Romeo", "approved": True}
    abierce.refused(1, "Access denied", "Projects", "approveProject", **approve)
    check("approved", admin.call("Projects", "approveProject", **approve))
    admin.refused(2, "Project already approved", "Projects", "approveProject", **approve)
    (result,) = abierce.call("Projects", "addUsers", **add)
    check("asked", result.name == "john" and result.success and result.reason is None, result)
    number = int(newest(john, "john").rsplit(PREFIX, 1)[1])
    check("confirmed", john.call("Projects", "addUserConfirm", challengeId=number))
    check("john's rights", rights(john, "john", "Alfa-Romeo", "john") == ["ADD_USER"])
    (result,) = abierce.call("Projects", "changePermissions", projectid="Alfa-Romeo", uids=["john"], perms=["ALL_PERMS"])
    check("all rights", result.success and len(rights(john, "john", "Alfa-Romeo", "john")) == 7)
    valid = abierce.call("Projects", "getValidPermissions")
    check("valid rights", "ADD_USER" in valid and len(valid) == 7, valid)
    (result,) = abierce.call("Projects", "removeUsers", projectid="Alfa-Romeo", uids=["john"])
    check("removed", result.success, result)
    check("asks", john.call("Projects", "joinProject", uid="john", projectid="Alfa-Romeo", urlPrefix=PREFIX))
    number = int(newest(abierce, "abierce").rsplit(PREFIX, 1)[1])
    abierce.refused(2, "Invalid permission", "Projects", "joinProjectConfirm", challengeId=number, perms=["BOGUS"])
    abierce.refused(2, "No such challenge outstanding", "Projects", "joinProjectConfirm", challengeId=7)
    check("let in", abierce.call("Projects", "joinProjectConfirm", challengeId=number, perms=["CREATE_EXPERIMENT"]))
    shown = abierce.call("Projects", "getProjectProfile", projectid="Alfa-Romeo")
    check("a profile", values(shown)["description"] == "cars", shown)
    check("a schema", abierce.call("Projects", "getProfileDescription").id is None)
    changes = [{"name": "URL", "value": "https://example.org"}, {"name": "description", "delete": True}]
    results = abierce.call("Projects", "changeProjectProfile", projectid="Alfa-Romeo", changes=changes)
    check("changes", [result.success for result in results] == [True, False], results)
    done("projects")


def first_projects(admin, abierce, john):
    """Projects as the first generation has them."""
    own = {"uid": "abierce", "projectName": "Bugatti"}
    check("made", abierce.call("Projects", "createProject", uid="abierce", name="Bugatti"))
    check("added", abierce.call("Projects", "addUser", **own, newUser="john"))
    abierce.call("Projects", "changePermissions", **own, targetUser="john", rights=5)
    check("flags", rights(abierce, "abierce", "Bugatti", "john") == ["ADD_USER", "REALIZE_EXPERIMENT"])
    check("removed", abierce.call("Projects", "removeUser", **own, removeUser="john"))
    check("asks", john.call("Projects", "requestJoin", uid="john", projectName="Bugatti"))
    check("vetting", abierce.call("Projects", "getVettingRequirements")[0].name == "description")
    fields = [{"name": "description", "value": "faster cars"}]
    check("asked", abierce.call("Projects", "createVettingProject", uid="abierce", name="Cisitalia", fields=fields))
    check("told", "Cisitalia" in newest(admin, ADMIN))
    check("vetted", admin.call("Projects", "makeProjectVetting", uid=ADMIN, name="Bugatti"))
    found = abierce.call("Projects", "viewProjects", uid="abierce", nameRE="^Buga")
    check("found", [one.projectId for one in found] == ["Bugatti"], found)
    check("it is", project(abierce, "abierce", "Bugatti").vetting)
    forced = admin.call("Projects", "addUsersNoConfirm", projectid="Bugatti", uids=["john"], perms=["ADD_USER"])
    check("forced", forced[0].success, forced)
    john.refused(1, "Access denied", "Projects", "setOwner", projectid="Bugatti", newOwner="john")
    check("given", abierce.call("Projects", "setOwner", **own, newOwner="john"))
    check("john's", project(john, "john", "Bugatti").owner == "john")
    check("given back", john.call("Projects", "setOwner", projectid="Bugatti", uid="abierce"))
    check("abierce's", project(john, "john", "Bugatti").owner == "abierce")
    john.refused(1, "Access denied", "Projects", "removeProject", uid="john", name="Bugatti")
    check("gone", admin.call("Projects", "removeProject", projectid="Bugatti"))
    done("projects of the first generation")


def experiment(who, uid, eid):
    """An experiment as clients see it."""
    found = who.call("Experiments", "viewExperiments", uid=uid, regex=f"^{eid}$")
    return found[0] if found else None


def experiments(abierce, john):
    """Experiments of both generations; there is nothing here on which one could run."""
    eid, told = "Alfa-Romeo:HelloWorld", [{"name": "description", "value": "hello"}]
    given = {"eid": eid, "owner": "abierce", "profile": told}
    check("made", abierce.call("Experiments", "createExperiment", **given))
    abierce.refused(2, "Experiment exists", "Experiments", "createExperiment", **given)
    layout = [{"type": "layout", "data": TOPDL}]
    (result,) = abierce.call("Experiments", "addExperimentAspects", eid=eid, aspects=layout)
    check("a layout", result.name == "layout000" and result.success, result)
    named = [{"name": "layout000", "type": "layout", "data": TOPDL}]
    (result,) = abierce.call("Experiments", "addExperimentAspects", eid=eid, aspects=named)
    check("a second", not result.success and result.reason.startswith("duplicate aspect"), result)
    (result,) = abierce.call("Experiments", "changeExperimentAspects", eid=eid, aspects=named)
    check("it stays", not result.success, result)
    seen = experiment(abierce, "abierce", eid)
    names = [aspect.name for aspect in seen.aspects]
    check("aspects", names == ["layout000", "layout000/full_layout"] and seen.aspects[0].data == TOPDL, names)
    check("rights", "MODIFY_EXPERIMENT" in abierce.call("Experiments", "getValidPermissions"))
    check("no access", experiment(john, "john", eid) is None)
    read = [{"circleId": "Alfa-Romeo:Alfa-Romeo", "permissions": ["READ_EXPERIMENT"]}]
    (result,) = abierce.call("Experiments", "changeExperimentACL", eid=eid, acl=read)
    check("access", result.success and experiment(john, "john", eid).perms == ["READ_EXPERIMENT"], result)
    check("a profile", values(abierce.call("Experiments", "getExperimentProfile", eid=eid))["description"] == "hello")
    check("a schema", abierce.call("Experiments", "getProfileDescription").id is None)
    changes = [{"name": "description", "value": "hello again"}]
    (result,) = abierce.call("Experiments", "changeExperimentProfile", eid=eid, changes=changes)
    check("a change", result.success, result)
    john.refused(1, "Access denied", "Experiments", "realizeExperiment", uid="john", eid=eid)
    told = abierce.call("Experiments", "realizeExperiment", uid="abierce", eid=eid, notify=True)
    check("a realization", told.experiment == eid and told.circle == "abierce:abierce", told)
    looked = abierce.call("Realizations", "viewRealizations", uid="abierce")
    check("of a name", not looked or looked[0].name == told.name, looked)
    poll("a failure", lambda: "Insufficient Resources" in newest(abierce, "abierce"))
    seen = poll("it is released", lambda: (one := experiment(abierce, "abierce", eid)).state == "Unrealized" and one)
    fault = seen.faultInfo
    check("why", (fault.errorCode, fault.detailString) == (2, "Insufficient Resources") and seen.log, seen)
    abierce.refused(2, "No such realization: x", "Realizations", "releaseRealization", name="x")
    check("forgotten", abierce.call("Realizations", "removeRealization", name=told.name))
    (result,) = abierce.call("Experiments", "removeExperimentAspects", eid=eid, aspects=named)
    check("no layout", result.success and not experiment(abierce, "abierce", eid).aspects, result)
    check("given", abierce.call("Experiments", "setOwner", eid=eid, uid="john"))
    check("john's", experiment(john, "john", eid).owner == "john")
    own = {"uid": "abierce", "name": "first"}
    check("made", abierce.call("Experiments", "createExperiment", **own, topology=TOPDL, readProjects=["Alfa-Romeo"]))
    own["owner"] = "abierce"
    check("changed", abierce.call("Experiments", "modifyExperiment", **own, actions=b"go", topology=b""))
    seen = experiment(abierce, "abierce", "abierce:first")
    check("fields", (seen.actions, seen.topology, seen.readProjects) == (b"go", None, ["Alfa-Romeo"]), seen)
    abierce.refused(2, "Experiment abierce:first is not realized", "Experiments", "releaseExperiment", **own)
    check("gone", abierce.call("Experiments", "removeExperiment", **own))
    done("experiments")


def resources(admin, abierce):
    """Computers, images and keys."""
    pc = {"uid": ADMIN, "name": "pc23", "type": "pc"}
    abierce.refused(1, "Access denied", "Resources", "createComputer", name="pc23", type="pc")
    check("a class", admin.call("Resources", "createComputer", uid=ADMIN, type="pc", projectRead=["Alfa-Romeo"]))
    check("a computer", admin.call("Resources", "createComputer", **pc))
    seen = abierce.call("Resources", "viewComputers", uid="abierce", type="pc")
    check("both", [(one.name, one.allocated) for one in seen] == [(None, None), ("pc23", False)], seen)
    check("changed", admin.call("Resources", "modifyComputer", **pc, description="a machine"))
    admin.refused(2, "One of name and type is required", "Resources", "modifyComputer", uid=ADMIN)
    check("gone", admin.call("Resources", "removeComputer", uid=ADMIN, name="pc23"))
    check("no images", not abierce.call("Resources", "viewImages", uid="abierce"))
    abierce.refused(2, "No such image", "Resources", "modifyImage", uid="abierce", name="nginx", description="web")
    abierce.refused(2, "No such image", "Resources", "removeImage", uid="abierce", name="nginx")
    key = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz"
    check("added", abierce.call("Resources", "addKey", uid="abierce", owner="abierce", keyData=key))
    (seen,) = abierce.call("Resources", "viewKeys", uid="abierce")
    check("a key", seen.name and seen.keyData.startswith(b"ssh-ed25519 "), seen)
    check("removed", abierce.call("Resources", "removeKey", uid="abierce", name=seen.name))
    check("none", not abierce.call("Resources", "viewKeys", uid="abierce"))
    done("resources")


def realized(abierce):
    """An experiment that runs, as plain processes, until it is released; and the image that it leaves behind."""
    own = {"uid": "abierce", "owner": "abierce", "name": "running"}
    computer = SLEEPING.replace(b"NAME", b"a") + SLEEPING.replace(b"NAME", b"b")
    topology = b"<experiment><version>1.0</version>" + computer + b"</experiment>"
    check("made", abierce.call("Experiments", "createExperiment", uid="abierce", name="running", topology=topology))
    abierce.call("Experiments", "realizeExperiment", **own, notify=True)
    settled = lambda: (one := experiment(abierce, "abierce", "abierce:running")).state != "Changing" and one
    seen = poll("an end of the change", settled)
    check("it runs", seen.state == "Realized" and seen.faultInfo is None, seen)
    containers = sorted((one.name, one.state, one.type) for one in seen.containers)
    check("containers", containers == [("a", "Up", "process"), ("b", "Up", "process")], containers)
    check("a log", seen.log and isinstance(seen.log, bytes), seen.log)
    check("told", "abierce:running" in newest(abierce, "abierce"), newest(abierce, "abierce"))
    abierce.refused(2, "Experiment abierce:running", "Experiments", "removeExperiment", **own)
    (image,) = abierce.call("Resources", "viewImages", uid="abierce", nameRE="^/bin/sleep$")
    check("an image", (image.owner, image.validIn) == ("abierce", ["process"]), image)
    said = {"description": "waits", "validIn": ["pc"], "projectRead": ["Alfa-Romeo"]}
    check("described", abierce.call("Resources", "modifyImage", uid="abierce", name="/bin/sleep", **said))
    (image,) = abierce.call("Resources", "viewImages", uid="abierce", owner="abierce")
    check("as it was", (image.description, image.validIn, image.projectRead) == tuple(said.values()), image)
    gone = {"uid": "abierce", "name": "/bin/sleep"}
    abierce.refused(2, "Image /bin/sleep is in use by a service", "Resources", "removeImage", **gone)
    check("released", abierce.call("Experiments", "releaseExperiment", **own, notify=True))
    seen = poll("an end of the change", settled)
    check("it runs no more", seen.state == "Unrealized" and not seen.containers, seen)
    check("no image", abierce.call("Resources", "removeImage", **gone))
    check("none is left", not abierce.call("Resources", "viewImages", uid="abierce"))
    check("gone", abierce.call("Experiments", "removeExperiment", **own))
    done("what runs")


def main():
    """All parts, in an order in which each has what it needs."""
    admin = login(ADMIN, PASSWORD)
    api_info(admin)
    abierce, _ = accounts(admin)
    signing_in(abierce)
    abierce, john = passwords(admin, abierce)
    profiles(admin, abierce)
    notifications(admin, abierce)
    projects(admin, abierce, john)
    first_projects(admin, abierce, john)
    experiments(abierce, john)
    resources(admin, abierce)
    realized(abierce)
    for service in SERVICES:
        missed = admin.operations(service) - CALLED[service]
        check(f"all operations of {service}", not missed, missed)
        print(f"operations: {service} {' '.join(sorted(CALLED[service]))}", flush=True)
        print(f"succeeded: {service} {' '.join(sorted(SUCCEEDED[service]))}", flush=True)


main()
