"""Sums up what the Autobahn test suite found. Runs on the suite's own Python 2.7, and on 3.

usage: report.py FOLDER [SECTION ..]
"""
from __future__ import print_function

import json
import os
import sys

# How many cases each section has (Autobahn test suite 25.10.1): one that breaks off would
# otherwise look good.
CASES = {
    "1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1,
    "12": 90, "13": 126,
}
COLUMNS = ["ok", "non-strict", "informational", "unimplemented", "failed"]
GOOD = {"OK": "ok", "NON-STRICT": "non-strict", "INFORMATIONAL": "informational",
        "UNIMPLEMENTED": "unimplemented"}


def read(folder):
    """The cases below `folder`: a list of (case, verdict on it, verdict on its close)."""
    cases = []
    for section in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        index = os.path.join(folder, section, "index.json")
        if os.path.exists(index):
            with open(index) as file:
                for case, found in json.load(file).get("greenroom", {}).items():
                    cases.append((case, found["behavior"], found["behaviorClose"]))
    return cases


def column(behaviour, close):
    """Where a case is counted: a bad close makes it a failed one."""
    if close not in ("OK", "INFORMATIONAL", "UNIMPLEMENTED"):
        return "failed"
    return GOOD.get(behaviour, "failed")


def main(folder, wanted):
    table, bad = {}, []
    for case, behaviour, close in read(folder):
        counts = table.setdefault(case.split(".")[0], dict.fromkeys(COLUMNS, 0))
        at = column(behaviour, close)
        counts[at] += 1
        if at in ("failed", "unimplemented"):
            bad.append("%s: %s, close %s" % (case, behaviour, close))
    print("%-8s %5s " % ("section", "cases") + " ".join("%13s" % name for name in COLUMNS))
    total = dict.fromkeys(COLUMNS, 0)
    for section in sorted(table, key=int):
        counts = table[section]
        for name in COLUMNS:
            total[name] += counts[name]
        print_row(section, counts)
    print_row("all", total)
    # Parts of a section (`12.2`) have no number to be held against.
    for section in [w for w in wanted if w in CASES] or ([] if wanted else CASES):
        ran = sum(table.get(section, {}).values())
        if ran != CASES[section]:
            bad.append("section %s: %d cases ran, it has %d" % (section, ran, CASES[section]))
    if not table:
        bad.append("no case ran")
    for line in sorted(bad):
        print("FAILED " + line)
    # The line that build machines count by.
    print("%d passed, %d failed" % (sum(total.values()) - total["failed"] - total["unimplemented"],
                                    len(bad)))
    return 1 if bad else 0


def print_row(name, counts):
    numbers = " ".join("%13d" % counts[column] for column in COLUMNS)
    print("%-8s %5d " % (name, sum(counts.values())) + numbers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
