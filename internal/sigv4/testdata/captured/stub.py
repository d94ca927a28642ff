"""Writes each raw HTTP request it receives to a file and answers 200 {}.

usage: stub.py PORT FOLDER

The request line "X /name", which no client sends, names the file of the next
request, name.http; "Q /" ends the program. Versions of the operating system
are cut out of User-Agent, which no client signs.
"""

import re
import socket
import sys


def read_request(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        part = conn.recv(65536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    want = int(length.group(1)) if length else 0
    while len(body) < want:
        body += conn.recv(65536)
    return head + b"\r\n\r\n" + body


def main(port, folder):
    server = socket.create_server(("127.0.0.1", port))
    name = None
    while True:
        conn, _ = server.accept()
        with conn:
            data = read_request(conn)
            if data.startswith(b"Q "):
                return
            if data.startswith(b"X /"):
                name = data[3:].split()[0].decode()
            elif data and name:
                with open(f"{folder}/{name}.http", "wb") as out:
                    out.write(re.sub(rb"os/linux#\S+", b"os/linux", data))
                name = None
            conn.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Access-Control-Allow-Origin: *\r\n"
                b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
            )


main(int(sys.argv[1]), sys.argv[2])
