"""The shop: writes the export of its sales that source.json names, the same bytes for the same version.

usage: shop.py SOURCE.JSON DIRECTORY

    DIRECTORY/VERSION/orders.csv     one line an order, as messy as such exports are
    DIRECTORY/VERSION/products.csv   what is sold
    DIRECTORY/VERSION/SHA256SUMS     what fetch.py checks them by
"""

import csv
import hashlib
import json
import pathlib
import random
import sys

REGIONS = ["north", "south", "east", "west"]
CURRENCIES = ["EUR", "EUR", "EUR", "USD", "GBP"]
CATEGORIES = ["garden", "kitchen", "office", "sport", "toys"]
MONTHS = 6


def main(source, directory):
    source = json.loads(pathlib.Path(source).read_text())
    export = pathlib.Path(directory, source["version"])
    export.mkdir(parents=True, exist_ok=True)
    chance = random.Random(source["version"])
    products = [product(number, chance) for number in range(1, 241)]
    write(export / "products.csv", ["product", "name", "category", "price"], products)
    columns = ["order", "date", "customer", "region", "product", "quantity", "price", "currency", "state"]
    write(export / "orders.csv", columns, orders(source["rows"], products, chance))
    sums = [f"{digest(path)}  {path.name}\n" for path in sorted(export.glob("*.csv"))]
    (export / "SHA256SUMS").write_text("".join(sums))
    print(f"shop: {source['rows']} orders of version {source['version']}")


def product(number, chance):
    category = CATEGORIES[number % len(CATEGORIES)]
    return [f"P{number:04}", f"{category} {number}", category, f"{1 + chance.random() * 180:.2f}"]


def orders(count, products, chance):
    """Orders of which every twentieth or so is wrong in one of the ways that exports are."""
    pick = lambda values: values[int(chance.random() * len(values))]
    last = None
    for number in range(1, count + 1):
        item = pick(products)
        year, month, day = 2024, 1 + int(chance.random() * MONTHS), 1 + int(chance.random() * 28)
        row = [
            f"A{number:08}",
            f"{year}-{month:02}-{day:02}",
            f"C{int(chance.random() * 9000):05}",
            pick(REGIONS),
            item[0],
            1 + int(chance.random() ** 3 * 9),
            item[3],
            pick(CURRENCIES),
            "paid" if chance.random() < 0.93 else "cancelled",
        ]
        trouble = chance.random()
        if trouble < 0.010:
            row[1] = f"{day:02}.{month:02}.{year}"
        elif trouble < 0.020:
            row[3] = f" {row[3].upper()} "
        elif trouble < 0.030:
            row[6] = row[6].replace(".", ",")
        elif trouble < 0.035:
            row[5] = ""
        elif trouble < 0.040:
            row[4] = "P9999"
        elif trouble < 0.045:
            row[2] = ""
        elif trouble < 0.050 and last:
            row = last
        last = row
        yield row


def write(path, columns, rows):
    with open(path, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
