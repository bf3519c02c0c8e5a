"""Stage 1: brings the export of the version that source.json names, and checks that it is all there.

usage: fetch.py SOURCE.JSON DIRECTORY OUT

It comes from the address in SALES_URL, or else from DIRECTORY.
"""

import hashlib
import json
import os
import pathlib
import sys
import urllib.request


def main(source, directory, out):
    version = json.loads(pathlib.Path(source).read_text())["version"]
    address = os.environ.get("SALES_URL") or pathlib.Path(directory).resolve().as_uri()
    export = f"{address.rstrip('/')}/{version}"
    sums = get(f"{export}/SHA256SUMS").decode()
    for line in sums.splitlines():
        expected, name = line.split()
        content = get(f"{export}/{name}")
        if hashlib.sha256(content).hexdigest() != expected:
            sys.exit(f"fetch: {export}/{name} is not what SHA256SUMS says")
        pathlib.Path(out, name).write_bytes(content)
        print(f"fetch: {name}, {len(content)} bytes")


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
