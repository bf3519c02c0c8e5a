"""The service under test: customers, stock and orders in SQLite, over HTTP with JSON.

usage: server.py DATABASE [PORT]

Says `listening on URL` when it can be asked. Ends when its standard input does, so that no test leaves one behind.

    GET  /version
    POST /customers {"name", "email"}            GET /customers/ID
    POST /stock     {"sku", "count"}             GET /stock/SKU
    POST /orders    {"customer", "lines": [{"sku", "count"}]}   GET /orders/ID
"""

import contextlib
import http.server
import json
import pathlib
import sqlite3
import sys
import threading

HERE = pathlib.Path(__file__).parent


class Refused(Exception):
    """What was asked for cannot be: an HTTP status and the reason."""


def version(database):
    return {"version": (HERE / "version.txt").read_text().strip()}


def add_customer(database, body):
    added = database.execute("insert into customers (name, email) values (:name, :email)", body)
    return customer(database, added.lastrowid)


def customer(database, id):
    return one(database, "select id, name, email from customers where id = ?", id)


def receive(database, body):
    database.execute(
        "insert into stock values (:sku, :count) on conflict do update set count = count + excluded.count", body
    )
    return stock(database, body["sku"])


def stock(database, sku):
    return one(database, "select sku, count from stock where sku = ?", sku)


def place_order(database, body):
    id = database.execute("insert into orders (customer) values (:customer)", body).lastrowid
    for line in body["lines"]:
        # The schema refuses to go below nothing, and then the whole order is taken back.
        database.execute("update stock set count = count - :count where sku = :sku", line)
        database.execute("insert into lines values (:order, :sku, :count)", {"order": id, **line})
    return order(database, id)


def order(database, id):
    found = one(database, "select id, customer from orders where id = ?", id)
    lines = database.execute('select sku, count from lines where "order" = ? order by sku', [id])
    return {**found, "lines": [dict(line) for line in lines]}


def one(database, query, key):
    row = database.execute(query, [key]).fetchone()
    if row is None:
        raise Refused(404, f"there is no {key}")
    return dict(row)


GET = {"version": version, "customers": customer, "stock": stock, "orders": order}
POST = {"customers": add_customer, "stock": receive, "orders": place_order}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, GET, self.path.strip("/").split("/"))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(201, POST, [self.path.strip("/"), json.loads(body)])

    def answer(self, status, table, call):
        name, *arguments = call
        try:
            with contextlib.closing(connect(self.server.database)) as database, database:
                database.execute("begin immediate")  # one that writes waits for the one before it
                content = table[name](database, *arguments)
        except (KeyError, TypeError) as error:
            status, content = 400, {"error": f"not understood: {error}"}
        except sqlite3.IntegrityError as error:
            status, content = 409, {"error": str(error)}
        except Refused as error:
            status, content = error.args[0], {"error": error.args[1]}
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *arguments):
        pass


def connect(path):
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    database.row_factory = sqlite3.Row
    database.execute("pragma foreign_keys = on")
    return database


def main(path, port="0"):
    with contextlib.closing(connect(path)) as database:
        database.executescript((HERE / "schema.sql").read_text())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.database = path
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
