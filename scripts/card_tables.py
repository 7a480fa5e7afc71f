#!/usr/bin/env python3
"""The tables of a model's card, as Markdown, from what `likeness eval --json` printed.

    card_tables.py FIGURES.jsonl...

First verification, a row for each model on photos as they are; then, of runs with --damage, accuracy by condition. What is after
+- is a standard error, what is in parentheses a 95 % interval by a bootstrap over people.
"""
import json
import sys


def share(value):
    return "-" if value is None else f"{100 * value:.1f} %"


def between(interval):
    return "" if not interval or None in interval else f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def accuracy(row):
    error = row.get("accuracy_se")
    return share(row["accuracy"]) + ("" if error is None else f" +- {100 * error:.1f}")


def tar(row, far):
    few = ", few pairs" if (row["tar_at_far_few"] or {}).get(far) else ""
    value = row["tar_at_far"].get(far)
    return "-" if value is None else share(value) + between((row["tar_at_far_interval"] or {}).get(far)) + few


def table(titles, rows):
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def verification(rows):
    fars = ("1e-1", "1e-2", "1e-3", "1e-4")
    table(["model", "pairs", "right", "AUC", "EER", *(f"TAR at FAR {far}" for far in fars)],
          [[r["name"], str(r["pairs"]), accuracy(r), f"{r['auc']:.4f}", share(r["eer"]), *(tar(r, far) for far in fars)]
           for r in rows])
    for row in rows:
        for c in row["comparisons"] or []:
            print(f"{row['name']} less {c['with']}: {100 * c['accuracy']:+.2f} points"
                  f"{between(c['accuracy_interval'])}, p {c['p']:.3f}")
    print()


def identification(rows):
    table(["model", "people", "rank-1", "rank-5"],
          [[r["name"], str(r["people"]), share(r["rank1"]) + between(r.get("rank1_interval")), share(r["rank5"])] for r in rows])


def conditions(plain, worse):
    kinds = list(dict.fromkeys(row["damage"] for row in worse))
    found = {(row["model"], row["damage"]): row for row in plain + worse}
    table(["photos", *(row["name"] for row in plain)],
          [[kind or "as they are", *(accuracy(found[row["model"], kind]) for row in plain)] for kind in (None, *kinds)])


def main(paths):
    for path in paths:
        with open(path) as f:
            rows = [json.loads(line) for line in f]
        plain, worse = ([r for r in rows if bool(r.get("damage")) == is_worse] for is_worse in (False, True))
        if plain and plain[0]["pairs"] is not None:
            verification(plain)
        if plain and plain[0]["rank1"] is not None:
            identification(plain)
        if worse:
            conditions(plain, worse)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
