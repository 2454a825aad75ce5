"""Stands in for `slipstream.api`, the Python client of the original, where that is not installed.

It has the calls that `original.py` makes, and sends for each the requests that the original sends: the same methods,
paths, headers and bodies, cookies kept in a file of Mozilla's format, and one sign-in and retry after 401 or 403.
"""

import http.client
import http.cookiejar
import json
import os
import re
import ssl
import urllib.parse
import urllib.request

PARAMETERS = ["first", "last", "filter", "select", "expand", "orderby", "aggregation"]


class SlipStreamError(Exception):
    """A refusal; `reason` is the server's message."""

    def __init__(self, reason, response=None):
        super().__init__(reason)
        self.reason = reason
        self.response = response


class Response:
    """An answer."""

    def __init__(self, answer):
        self.status_code = answer.status
        self.headers = answer.headers
        self.content = answer.read()

    def info(self):
        """The headers, for the cookie jar."""
        return self.headers

    def json(self):
        """The body as JSON."""
        return json.loads(self.content)


class Document:
    """A document; its members are attributes in snake case."""

    def __init__(self, document):
        self.json = document
        for name, value in document.items():
            name = re.sub("([a-z0-9])([A-Z])", r"\1_\2", name.replace("-", "_")).lower()
            if not hasattr(self, name):
                setattr(self, name, value)
        self.operations_by_name = {each["rel"]: each for each in document.get("operations", [])}
        self.entry_points = {
            name: value["href"] for name, value in document.items() if isinstance(value, dict) and "href" in value
        }


class Collection(Document):
    """A collection; its members are documents too."""

    def __init__(self, document, tag):
        super().__init__(document)
        self.resources_list = [Document(member) for member in document.get(tag, [])]

    def __iter__(self):
        return iter(self.resources_list)


class Api:
    """The client."""

    def __init__(self, endpoint, cookie_file=None, insecure=False, reauthenticate=False, login_creds=None):
        self.endpoint = endpoint
        self.insecure = insecure
        self.reauthenticate = reauthenticate
        self.login_params = login_params(login_creds)
        self.cookies = http.cookiejar.MozillaCookieJar(cookie_file)
        if os.path.isfile(cookie_file):
            self.cookies.load(ignore_discard=True)
            self.cookies.clear_expired_cookies()
        self._entry_point = None
        self._username = None

    # ------------------------------------------------------------------------------------------------ the connection

    def _once(self, method, url, headers, body):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme == "https":
            context = ssl._create_unverified_context() if self.insecure else ssl.create_default_context()
            connection = http.client.HTTPSConnection(parts.netloc, timeout=30, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        marked = urllib.request.Request(url, method=method)
        self.cookies.add_cookie_header(marked)
        sent = {"User-Agent": "python-requests/2.22.0", "Accept-Encoding": "identity", "Connection": "keep-alive"}
        sent.update(headers)
        sent.update(dict(marked.header_items()))
        target = parts.path + ("?" + parts.query if parts.query else "")
        connection.request(method, target, body=body, headers=sent)
        response = Response(connection.getresponse())
        connection.close()
        self.cookies.extract_cookies(response, marked)
        if parts.scheme == "http" and self.insecure:
            for cookie in self.cookies:
                cookie.secure = False
        if "Set-Cookie" in response.headers:
            self.cookies.save(ignore_discard=True)
        return response

    def _send(self, method, url, headers, body):
        response = self._once(method, url, headers, body)
        session = self.endpoint + "/api/session"
        if self.reauthenticate and response.status_code in (401, 403) and url != session and self.login_params:
            if self.login(self.login_params).status_code == 201:
                response = self._once(method, url, headers, body)
        return response

    def _request(self, method, uri, params=None, data=None, form=None):
        url = f"{self.endpoint}/api/{uri}"
        if params:
            url += "?" + urllib.parse.urlencode(params, doseq=True)
        headers, body = {"Accept": "application/json"}, None
        if data is not None:
            headers["Content-Type"], body = "application/json", json.dumps(data)
        elif form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(form, doseq=True)
        elif method in ("POST", "PUT"):
            # Neither a body nor a type of one.
            headers["Content-Length"] = "0"
        response = self._send(method, url, headers, body)
        if response.status_code >= 400:
            raise SlipStreamError(response.json()["message"], response)
        return response.json()

    # --------------------------------------------------------------------------------------------------------- people

    def login(self, params):
        """Signs in."""
        self.login_params = params
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        body = json.dumps({"sessionTemplate": params})
        return self._send("POST", self.endpoint + "/api/session", headers, body)

    def login_internal(self, username, password):
        """Signs in by name and password."""
        self._username = username
        return self.login(login_params({"username": username, "password": password}))

    def login_apikey(self, key, secret):
        """Signs in by a key."""
        return self.login(login_params({"key": key, "secret": secret}))

    def logout(self):
        """Ends the session."""
        session = self.current_session()
        if session is not None:
            self._request("DELETE", session)
        self.login_params = None
        self._username = None

    def current_session(self):
        """The id of the session, if there is one."""
        found = self.cimi_search("sessions")
        return found.sessions[0].get("id") if found.count > 0 else None

    def is_authenticated(self):
        """Whether there is a session."""
        return self.current_session() is not None

    @property
    def username(self):
        """Who is signed in."""
        if not self._username:
            session = self.current_session()
            if session:
                self._username = self.cimi_get(session).json.get("username")
        return self._username

    # ------------------------------------------------------------------------------------------------------ resources

    @property
    def cimi_cloud_entry_point(self):
        """The directory of collections, read once."""
        if self._entry_point is None:
            self._entry_point = Document(self._request("GET", "cloud-entry-point"))
        return self._entry_point

    def cimi_search(self, resource_type, **parameters):
        """A collection."""
        href = self.cimi_cloud_entry_point.entry_points[resource_type]
        return Collection(self._request("PUT", href, form=named(parameters)), resource_type)

    def cimi_get(self, resource_id, **parameters):
        """One document."""
        return Document(self._request("GET", resource_id, params=named(parameters)))

    def cimi_add(self, resource_type, data):
        """Adds a document."""
        href = operation(self.cimi_search(resource_type, last=0), "add")
        return Document(self._request("POST", href, data=data))

    def cimi_edit(self, resource_id, data, **parameters):
        """Changes a document."""
        href = operation(self.cimi_get(resource_id), "edit")
        return Document(self._request("PUT", href, params=named(parameters), data=data))

    def cimi_delete(self, resource_id):
        """Deletes a document."""
        return Document(self._request("DELETE", operation(self.cimi_get(resource_id), "delete")))

    def cimi_operation(self, resource_id, name, data=None):
        """Carries out an operation."""
        return Document(self._request("POST", operation(self.cimi_get(resource_id), name), data=data))

    def get_deployment_events(self, deployment_id, types=None):
        """The events of one run."""
        wanted = f"content/resource/href='run/{deployment_id}'"
        if types:
            wanted += " and (" + " or ".join(f"type='{each}'" for each in types) + ")"
        return self.cimi_search("events", filter=wanted)


def named(parameters):
    """The parameters with the names that they have on the wire."""
    return {"$" + name: value for name, value in parameters.items() if name in PARAMETERS}


def operation(document, name):
    """The address of an operation; `KeyError` if it is not offered."""
    return document.operations_by_name[name]["href"]


def login_params(credentials):
    """What is sent to sign in."""
    if not credentials:
        return {}
    way = "internal" if "username" in credentials else "api-key"
    return {**credentials, "href": f"session-template/{way}"}
