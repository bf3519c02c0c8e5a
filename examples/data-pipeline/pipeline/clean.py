"""Stage 2: brings every order into one form; puts aside those that cannot be counted, and says why.

usage: clean.py IN OUT
"""

import csv
import pathlib
import re
import shutil
import sys

GERMAN_DATE = re.compile(r"(\d\d)\.(\d\d)\.(\d{4})")


def main(source, out):
    shutil.copyfile(pathlib.Path(source, "products.csv"), pathlib.Path(out, "products.csv"))
    with open(pathlib.Path(source, "products.csv"), newline="") as file:
        products = {row["product"] for row in csv.DictReader(file)}
    seen, kept = set(), 0
    with open(pathlib.Path(source, "orders.csv"), newline="") as orders, \
            open(pathlib.Path(out, "orders.csv"), "w", newline="") as clean, \
            open(pathlib.Path(out, "rejected.csv"), "w", newline="") as rejected:
        rows = csv.DictReader(orders)
        good = csv.DictWriter(clean, rows.fieldnames, lineterminator="\n")
        bad = csv.writer(rejected, lineterminator="\n")
        good.writeheader()
        bad.writerow(["order", "reason"])
        for row in rows:
            tidy(row)
            reason = trouble(row, products, seen)
            if reason:
                bad.writerow([row["order"], reason])
            else:
                seen.add(row["order"])
                good.writerow(row)
                kept += 1
    print(f"clean: {kept} orders")


def tidy(row):
    for column, value in row.items():
        row[column] = value.strip()
    row["region"] = row["region"].lower()
    row["price"] = row["price"].replace(",", ".")
    german = GERMAN_DATE.fullmatch(row["date"])
    if german:
        row["date"] = "-".join(reversed(german.groups()))


def trouble(row, products, seen):
    """Why an order cannot be counted, or nothing."""
    if row["order"] in seen:
        return "twice"
    if row["state"] != "paid":
        return row["state"]
    if not row["quantity"].isdigit():
        return "no quantity"
    if not row["customer"]:
        return "no customer"
    if row["product"] not in products:
        return "unknown product"
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
