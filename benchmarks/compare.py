"""A guard: what became slower than its spread, between two records."""

from typing import Any

import numpy as np

MARGIN = 0.05
"A change smaller than this share is no news, however narrow the spreads."


def machine_speed(old: dict[str, Any], new: dict[str, Any]) -> float:
    """How fast the machine is now, the old one being 1: the median over what both ran that is not jaxmle.

    Compilers and other people's programs do not change between two records of one installation, so that a busier or
    slower machine is not taken for slower code.
    """
    ratios = [
        a["fits_per_second"]["median"] / b["fits_per_second"]["median"]
        for a, b in _pairs(old, new)
        if a["rival"] != "jaxmle"
    ]
    return float(np.median(ratios)) if ratios else 1.0


def compare(old: dict[str, Any], new: dict[str, Any]) -> tuple[list[str], bool]:
    """Lines to print, and whether jaxmle became slower anywhere: its best rate below its former worst."""
    speed = machine_speed(old, new)
    lines, slower = [f"machine: {speed:.2f} of its former speed, by what is not jaxmle"], False
    pairs = [(a, b) for a, b in _pairs(old, new) if a["rival"] == "jaxmle"]
    for now, before in pairs:
        rate, former = now["fits_per_second"], before["fits_per_second"]
        ratio = rate["median"] / former["median"] / speed
        worse = rate["most"] / speed < former["least"] * (1 - MARGIN)
        better = rate["least"] / speed > former["most"] * (1 + MARGIN)
        verdict = "SLOWER" if worse else "faster" if better else "within its spread"
        lines.append(f"{now['workload']}: {ratio:.2f} times as fast as before, {verdict}")
        slower |= worse
        if now["close"] < before["close"]:
            lines.append(
                f"{now['workload']}: {now['close']:.4f} close to the best, {before['close']:.4f} before, WORSE"
            )
            slower = True
    known = {now["workload"] for now, _ in pairs}
    lines += [f"{name}: not compared, it is new or has another size" for name in _names(new) - known]
    return lines, slower


def _names(record: dict[str, Any]) -> set[str]:
    return {race["workload"] for race in record["workloads"]}


def _pairs(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Entries (now, before) of the same rival on the same task, with the workload's name in each."""
    former = {(_task(race), entry["rival"]): entry for race in old["workloads"] for entry in race["rivals"]}
    return [
        ({**entry, "workload": race["workload"]}, former[key])
        for race in new["workloads"]
        for entry in race["rivals"]
        for key in [(_task(race), entry["rival"])]
        if key in former and "fits_per_second" in entry and "fits_per_second" in former[key]
    ]


def _task(race: dict[str, Any]) -> tuple[Any, ...]:
    return (race["workload"], race["datasets"], race["rows"], race.get("parameters"), race.get("dtype", "float64"))
