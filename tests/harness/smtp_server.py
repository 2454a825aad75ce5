"""A real mail server for tests: aiosmtpd on a port of the system's choice, which prints each mail as a line of JSON.

Usage: smtp_server.py [--tls CERTIFICATE KEY | --starttls CERTIFICATE KEY] [--user NAME PASSWORD]
"""

import argparse
import errno
import json
import logging
import socket
import ssl
import sys
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Print:
    """Prints what arrives."""

    def __init__(self, wrapped):
        self.wrapped = wrapped

    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": envelope.content.decode("utf-8", "replace"),
            "tls": self.wrapped or session.ssl is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
        }
        print(json.dumps(mail), flush=True)
        return "250 taken"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--starttls", nargs=2)
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--user", nargs=2)
    asked = parser.parse_args()
    # Over TLS from the first byte it takes the connection for a plain one.
    warnings.simplefilter("ignore")
    logging.getLogger("mail.log").setLevel(logging.ERROR)

    options = {}
    if asked.user:
        name, password = (text.encode() for text in asked.user)

        def authenticate(server, session, envelope, mechanism, data):
            right = isinstance(data, LoginPassword) and (data.login, data.password) == (name, password)
            return AuthResult(success=right, auth_data=data, handled=right)

        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=bool(asked.starttls))
    pair = asked.starttls or asked.tls
    context = None
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
    if asked.starttls:
        options.update(tls_context=context, require_starttls=True)
    wrapped = context if asked.tls else None
    while True:
        # The controller connects to itself to see that it is up: port 0 would not do.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options.update(hostname="127.0.0.1", port=port, ssl_context=wrapped, ready_timeout=60)
        controller = Controller(Print(bool(asked.tls)), **options)
        try:
            controller.start()
            break
        except OSError as error:
            # Somebody else was quicker to take the port.
            if error.errno != errno.EADDRINUSE:
                raise
    print(port, flush=True)
    # Until the test closes our input.
    sys.stdin.read()
    controller.stop()


if __name__ == "__main__":
    main()
