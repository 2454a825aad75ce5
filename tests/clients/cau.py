"""Clients as the original's agent authentication has them, written by hand on Python's ssl.

  cau.py it1 HOST:PORT CSR DEVICE [--token TOKEN] [--pieces]   one request on a bare TLS connection, read to its end
  cau.py it2 HOST:PORT CSR DEVICE [--token TOKEN]              POST /cau/cert
  cau.py key HOST:PORT DEVICE                                  GET /cau/publickey
  cau.py leader HOST:PORT [CERTIFICATE KEY] [--tls12]          a handshake, `bye`, and the end

Like those, they check neither names nor authorities. What the server says is printed; statuses and errors begin the line.
"""

import argparse
import http.client
import socket
import ssl


def context(tls12=False):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if tls12:
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    return made


def dial(address, made):
    host, port = address.rsplit(":", 1)
    return made.wrap_socket(socket.create_connection((host, int(port)), timeout=30), server_hostname=host)


def rest(stream):
    said = b""
    while chunk := stream.recv(1024):
        said += chunk
    return said


def it1(asked):
    with open(asked.csr) as file:
        csr = file.read()
    pairs = [f"csr={csr}", "detectedLeaderID=leader-1", "MACaddr=ab:cd:ef:01:23:45", "IDkey=" + "0a" * 64]
    pairs.append(f"deviceID={asked.device}")
    if asked.token:
        pairs.append(f"token={asked.token}")
    request = ",".join(pairs).encode()
    with dial(asked.address, context(tls12=True)) as stream:
        size = len(request) // 5 + 1 if asked.pieces else len(request)
        for at in range(0, len(request), size):
            stream.sendall(request[at : at + size])
        print(rest(stream).decode(), end="")


def over_http(asked, method, path, body=None, headers=None):
    host, port = asked.address.rsplit(":", 1)
    connection = http.client.HTTPSConnection(host, int(port), context=context(), timeout=30)
    connection.request(method, path, body, {"Content-Type": "text/plain", **(headers or {})})
    answer = connection.getresponse()
    print(answer.status, answer.read().decode(), end="")


def it2(asked):
    with open(asked.csr) as file:
        csr = file.read()
    body = f"csr:{csr},detectedLID:leader-1,IDKey:null,deviceID:{asked.device}"
    over_http(asked, "POST", "/cau/cert", body, {"mf2c-join-token": asked.token} if asked.token else None)


def key(asked):
    over_http(asked, "GET", f"/cau/publickey?deviceid={asked.device}")


def leader(asked):
    made = context(asked.tls12)
    if asked.certificate:
        made.load_cert_chain(asked.certificate, asked.key)
    with dial(asked.address, made) as stream:
        stream.sendall(b"bye")
        print("end", rest(stream).decode(), end="")


def main():
    parser = argparse.ArgumentParser()
    ways = parser.add_subparsers(required=True)
    for way in (it1, it2):
        one = ways.add_parser(way.__name__)
        one.set_defaults(way=way)
        for name in ("address", "csr", "device"):
            one.add_argument(name)
        one.add_argument("--token")
        one.add_argument("--pieces", action="store_true")
    one = ways.add_parser("key")
    one.set_defaults(way=key)
    one.add_argument("address")
    one.add_argument("device")
    one = ways.add_parser("leader")
    one.set_defaults(way=leader)
    one.add_argument("address")
    one.add_argument("certificate", nargs="?")
    one.add_argument("key", nargs="?")
    one.add_argument("--tls12", action="store_true")
    asked = parser.parse_args()
    try:
        asked.way(asked)
    except OSError as error:
        print("error", error)


main()
