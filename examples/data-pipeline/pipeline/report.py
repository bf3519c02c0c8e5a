"""Stage 5: the figures as a page for people and as a table for programs.

usage: report.py IN OUT
"""

import csv
import html
import json
import pathlib
import sys

TITLE = "Sales"
SECTIONS = ["month", "region", "category", "best products", "best customers", "median sale"]


def main(source, out):
    figures = json.loads(pathlib.Path(source, "figures.json").read_text())
    total = figures["total"]
    sections = "\n".join(section(name, figures[name]) for name in SECTIONS)
    page = f"""<!doctype html>
<meta charset="utf-8">
<title>{TITLE}</title>
<h1>{TITLE}</h1>
<p>{euro(total["cents"])} in {total["sales"]} sales.</p>
{sections}
"""
    pathlib.Path(out, "report.html").write_text(page)
    with open(pathlib.Path(out, "report.csv"), "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["section", "name", "cents"])
        table.writerow(["total", "", total["cents"]])
        table.writerows([name, key, cents] for name in SECTIONS for key, cents in figures[name].items())
    print(f"report: {euro(total['cents'])}")


def section(name, figures):
    most = max(figures.values(), default=0)
    rows = "\n".join(row(key, cents, most) for key, cents in figures.items())
    return f"<h2>{html.escape(name.capitalize())}</h2>\n<table>\n{rows}\n</table>"


def row(key, cents, most):
    bar = f'<svg width="200" height="12"><rect width="{200 * cents // most}" height="12"/></svg>'
    return f"<tr><td>{html.escape(key)}<td align=right>{euro(cents)}<td>{bar}"


def euro(cents):
    return f"€ {cents // 100:,}.{cents % 100:02}"


if __name__ == "__main__":
    main(*sys.argv[1:])
