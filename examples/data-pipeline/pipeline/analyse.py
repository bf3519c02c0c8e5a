"""Stage 4: adds up the sales, and finds what sells best, who buys most, and what a month's usual sale is.

usage: analyse.py IN OUT
"""

import collections
import csv
import json
import pathlib
import statistics
import sys


def main(source, out):
    total, by_month, by_region, by_category, by_product, by_customer = (
        collections.Counter() for _ in range(6)
    )
    amounts = collections.defaultdict(list)
    with open(pathlib.Path(source, "sales.csv"), newline="") as file:
        for row in csv.DictReader(file):
            cents = int(row["cents"])
            total["cents"] += cents
            total["sales"] += 1
            by_month[row["month"]] += cents
            by_region[row["region"]] += cents
            by_category[row["category"]] += cents
            by_product[row["product"]] += cents
            by_customer[row["customer"]] += cents
            amounts[row["month"]].append(cents)
    figures = {
        "total": total,
        "month": by_month,
        "region": by_region,
        "category": by_category,
        "best products": best(by_product),
        "best customers": best(by_customer),
        "median sale": {month: statistics.median_low(cents) for month, cents in amounts.items()},
    }
    text = json.dumps(figures, indent=1, sort_keys=True)
    pathlib.Path(out, "figures.json").write_text(text + "\n")
    print(f"analyse: {total['sales']} sales")


def best(counter, count=10):
    # Of equal ones, the first by name: which comes first in the data means nothing.
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:count])


if __name__ == "__main__":
    main(*sys.argv[1:])
