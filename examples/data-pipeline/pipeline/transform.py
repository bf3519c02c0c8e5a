"""Stage 3: makes sales of orders: what each brought in euro cents, in which month, of which category.

usage: transform.py RATES.CSV IN OUT
"""

import csv
import decimal
import pathlib
import sys

Decimal = decimal.Decimal


def main(rates, source, out):
    euro = {row["currency"]: Decimal(row["euro"]) for row in read(rates)}
    category = {row["product"]: row["category"] for row in read(pathlib.Path(source, "products.csv"))}
    count = 0
    with open(pathlib.Path(out, "sales.csv"), "w", newline="") as file:
        sales = csv.writer(file, lineterminator="\n")
        sales.writerow(["month", "region", "category", "product", "customer", "quantity", "cents"])
        for row in read(pathlib.Path(source, "orders.csv")):
            amount = int(row["quantity"]) * Decimal(row["price"]) * euro[row["currency"]] * 100
            cents = amount.quantize(Decimal(1), decimal.ROUND_HALF_EVEN)
            sales.writerow([
                row["date"][:7], row["region"], category[row["product"]],
                row["product"], row["customer"], row["quantity"], cents,
            ])
            count += 1
    print(f"transform: {count} sales")


def read(path):
    with open(path, newline="") as file:
        yield from csv.DictReader(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
