# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of hant.sh, out of the plans of all seeds. Usage: hant_table.py DATA BUDGETS NETWORKS SEEDS,
in the directory that holds NETWORK-SEED/."""
import json
import math
import os
import statistics
import sys

# Points of accuracy that may be lost, by data and budget.
ALLOWED = {("cifar10", 0.5): 0.5, ("cifar10", 0.35): 1.5, ("mnist", 0.5): 0.1, ("mnist", 0.35): 0.1}


def spread(values):
    """Mean and standard error, as text."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.3f}"
    return f"{mean:.3f} +- {statistics.stdev(values) / math.sqrt(len(values)):.3f}"


def baseline(plan, method, key):
    values = [b[key] for b in plan["baselines"] if b["method"] == method and key in b]
    return 100 * statistics.fmean(values) if values else None


def load(network, seed, budget, alone):
    directory = f"{network}-{seed}" if alone else f"{network}-{seed}/latency-{budget}"
    path = os.path.join(directory, "plan.json")
    return json.load(open(path)) if os.path.exists(path) else None


def compare(plans, key):
    """The accuracies of the three ways of selecting, over the seeds that have all of them."""
    methods = ("greedy", "random")
    whole = [p for p in plans if all(baseline(p, m, key) is not None for m in methods)]
    if not whole:
        return f"ilp {spread([100 * p['result'][key] for p in plans])}"
    line = [f"ilp {spread([100 * p['result'][key] for p in whole])}"]
    line += [f"{m} {spread([baseline(p, m, key) for p in whole])}" for m in methods]
    return ", ".join(line) + (f" ({len(whole)} seeds)" if len(whole) < len(plans) else "")


def show(data, network, budget, plans):
    wanted = float(budget.rstrip("x")) if budget.endswith("x") else None
    part = [p["result"]["latency_ns"] / p["teacher"]["latency_ns"] for p in plans]
    error = [100 * (p["result"]["predicted_latency_ns"] / p["result"]["latency_ns"] - 1) for p in plans]
    lost = [100 * (p["teacher"]["accuracy"] - p["result"]["accuracy"]) for p in plans]
    teacher = [100 * p["teacher"]["accuracy"] for p in plans]
    images = plans[0]["test_images"]
    allowed = ALLOWED.get((data, wanted))
    print(f"{data} {network}, budget {budget}, {len(plans)} seeds, {images} test images "
          f"(one image: {100 / images:.3f} points)")
    print(f"  latency / teacher's   {spread(part)}" + (f"  (at most {wanted})" if wanted else ""))
    print(f"  predicted / measured  {spread(error)} %  (within 10)")
    print(f"  teacher's accuracy    {spread(teacher)} %")
    print(f"  points lost           {spread(lost)}" + (f"  (at most {allowed})" if allowed else ""))
    print(f"  before tuning         {compare(plans, 'accuracy_before_tuning')}")
    print(f"  after tuning          {compare(plans, 'accuracy')}")
    for text in sorted({p["failed"] for p in plans if "failed" in p}):
        print(f"  failed                {text}")


def main():
    data, budgets, networks, seeds = sys.argv[1:]
    budgets, missing = budgets.split(","), 0
    for network in networks.split():
        for budget in budgets:
            plans = [load(network, s, budget, len(budgets) == 1) for s in seeds.split()]
            found = [p for p in plans if p]
            missing += len(plans) - len(found)
            if found:
                show(data, network, budget, found)
            if len(found) < len(plans):
                print(f"{data} {network}, budget {budget}: {len(plans) - len(found)} of {len(plans)} "
                      "seeds have no plan; the log beside them says why")
    return 1 if missing else 0


sys.exit(main())
