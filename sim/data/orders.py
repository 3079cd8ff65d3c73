# SPDX-License-Identifier: MIT
"""The recorded program: a small shop's order book, in memory.

It keeps customers and orders in an in-memory SQLite database, the orders' documents as JSON, older ones packed with
zlib, keeps counts in dicts, and forks a worker that makes the day's report while the book stays open for business.
Nothing in it comes from outside but this text and a fixed seed.
"""

import array
import hashlib
import json
import os
import random
import sqlite3
import zlib
from typing import Any

DAYS = 3
ORDERS_A_DAY = 200
PACKED = 0.3  # share of the documents that are kept packed
VOUCHER_BYTES = 120_000
CUSTOMERS = 150
_NAMES = (
    "anvil barrel candle drill engine funnel gasket hammer inkwell jigsaw kettle lantern mallet needle oilcan pulley "
    "quill ratchet saddle trowel urn vice wrench yoke zipper"
)
ARTICLES = _NAMES.split()


def document(rng: random.Random, number: int) -> dict[str, Any]:
    lines = [
        {"article": rng.choice(ARTICLES), "count": rng.randint(1, 40), "cents": rng.randint(99, 99999)}
        for _ in range(rng.randint(10, 60))
    ]
    seal = hashlib.sha512(f"{number}/{lines}".encode()).hexdigest()
    return {"order": number, "customer": rng.randrange(CUSTOMERS), "lines": lines, "seal": seal, "state": "open"}


def pack(order: dict[str, Any]) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 12, 5)
    return packer.compress(json.dumps(order).encode()) + packer.flush()


def unpack(body: bytes) -> dict[str, Any]:
    order: dict[str, Any] = json.loads(zlib.decompress(body) if body[:1] != b"{" else body)
    return order


def report(book: sqlite3.Connection, day: int) -> bytes:
    totals: dict[str, int] = {}
    for (body,) in book.execute("select body from orders order by number"):
        for line in unpack(body)["lines"]:
            totals[line["article"]] = totals.get(line["article"], 0) + line["count"] * line["cents"]
    rows = book.execute("select customer, count(*) from orders group by customer order by 2 desc limit 5").fetchall()
    return json.dumps({"day": day, "totals": totals, "best": rows}).encode()


def fork_report(book: sqlite3.Connection, day: int) -> int:
    """The report is made by a child, of the book as it is now."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, report(book, day))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        size = len(stream.read())
    os.waitpid(child, 0)
    return size


def take_stock(book: sqlite3.Connection) -> int:
    """Go through the whole book, inside the database."""
    total: int = book.execute("select sum(length(hex(body))) / 2 from orders").fetchone()[0]
    book.execute("update orders set state = 'due' where state = 'open' and number % 2 = 0")
    book.commit()
    return total


def main() -> None:
    rng = random.Random(20)
    book = sqlite3.connect(":memory:")
    book.execute("create table orders (number integer primary key, customer integer, state text, body blob)")
    book.execute("create index by_customer on orders (customer, state)")
    book.execute("create table archive (day integer, vouchers blob)")
    shelf: list[int | None] = [None] * 30_000  # orders by number, most of them still to come
    stock = array.array("q", [-1]) * 30_000  # -1: not counted yet
    camera = bytearray(300_000)  # a picture buffer that little is put in
    camera[:] = bytes(len(camera))
    seen = bytearray(b"\xff") * 240_000
    vouchers = bytearray(rng.randbytes(VOUCHER_BYTES))
    number = 0
    for day in range(DAYS):
        for _ in range(ORDERS_A_DAY):
            order = document(rng, number)
            body = pack(order) if rng.random() < PACKED else json.dumps(order).encode()
            book.execute("insert into orders values (?, ?, 'open', ?)", (number, order["customer"], body))
            shelf[number] = order["customer"]
            stock[number] = number
            seen[number * 7 % 20_000] &= 0x7F
            number += 1
        for asked in rng.sample(range(number), ORDERS_A_DAY // 10):  # customers ask about orders, and change them
            row = book.execute("select body from orders where number = ?", (asked,)).fetchone()
            if row:
                order = unpack(row[0])
                order["lines"] = document(rng, asked)["lines"]
                book.execute("update orders set state = 'asked', body = ? where number = ?", (pack(order), asked))
        used = rng.randrange(VOUCHER_BYTES - 4000)
        vouchers[used : used + 4000] = bytes(4000)
        book.execute("insert into archive values (?, ?)", (day, bytes(vouchers[day * 25_000 :][:50_000])))
        total = take_stock(book)
        camera[day * 2000 : day * 2000 + 500] = rng.randbytes(500)
        left = shelf.count(None), stock.count(-1), seen.count(0xFF), camera.count(0)
        print(f"day {day}: {number} orders, {total} bytes of documents, left {left}")
        for old in range(day, number, 40):  # some are called off
            book.execute("delete from orders where number = ?", (old,))
        book.commit()
    print(f"report of {fork_report(book, DAYS)} bytes, {take_stock(book)} bytes of documents")


main()
