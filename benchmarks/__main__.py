"""The command line: `python -m benchmarks` races jaxmle against its rivals and prints tables."""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from benchmarks import fresh, measure, roofline
from benchmarks.compare import compare
from benchmarks.derivatives import derivatives
from benchmarks.everyone import RIVALS
from benchmarks.functions import functions
from benchmarks.machine import machine
from benchmarks.scaling import scaling
from benchmarks.table import markdown
from benchmarks.workloads import WORKLOADS, task

PARTS = {
    "scaling": "throughput against data sets, rows, parameters and workers",
    "ceilings": "what the machine can do, and which share of it is reached",
    "derivatives": "exact derivatives against those by hand and finite differences",
    "functions": "special functions against jax.scipy.special, time and error",
    "once": "what happens once in a process: import, first fit, compilation",
    "memory": "the peak of a batch of 256 MB against the memory it is given (in the full set)",
    "cold": "of each rival, the first result of a new process and its peak memory (in the full set)",
}
OTHERS = [r.name for r in RIVALS if r.name != "jaxmle"]
REFERENCES = ("numba", "vmap")
"Rivals that tell a slower machine from slower code."


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    old = json.loads(options.compare.read_text()) if options.compare else None
    if options.table:
        record = json.loads(options.table.read_text())
    else:
        with _device(options.device):
            record = _run(options, old)
        _say("")
    print(markdown(record))
    _keep(record, options.json)
    if old is None:
        return 0
    lines, slower = compare(old, record)
    print("", *lines, sep="\n")
    return int(slower)


def _run(options: argparse.Namespace, old: dict[str, Any] | None) -> dict[str, Any]:
    names, against, sizes = _set(options, old)
    rivals = [r for r in RIVALS if r.name == "jaxmle" or r.name in against]
    record: dict[str, Any] = {"machine": machine(), "repeats": options.repeats, "full": options.full, "workloads": []}
    for workload in WORKLOADS:
        if workload.name in names:
            drawn = task(workload, *sizes(workload), dtype=options.dtype)
            record["workloads"].append(measure.race(drawn, rivals, options.repeats, _say))
            _keep(record, options.json)

    def keep(part: str, value: Any) -> None:
        record[part] = value
        _keep(record, options.json)

    if "ceilings" in names:
        keep("ceilings", roofline.ceilings(options.dtype, 0.1, options.repeats, _say))
        keep("fractions", roofline.fractions(record))
    if "derivatives" in names:
        chosen = [w for w in WORKLOADS if not w.calls and (options.full or w.name in ("weibull", "student-t", "garch"))]
        keep("derivatives", [derivatives(w, 1000, None, options.repeats, _say) for w in chosen])
    if "functions" in names:
        size, points = (1_000_000, 1000) if options.full else (100_000, 200)
        keep("functions", functions(size, points, options.repeats, _say))
    if "once" in names:
        keep("once", fresh.once(options.repeats if options.full else 1, _say))
    if "memory" in names:
        keep("memory", fresh.bounded(_say))
    if "cold" in names:
        fresh.cold(record["workloads"], _say)
        _keep(record, options.json)
    if "scaling" in names:
        keep("scaling", scaling(rivals, options.full, options.repeats, options.dtype, _say))
    return record


def _keep(record: dict[str, Any], file: Path | None) -> None:
    """Writes what there is so far: a long run that is cut short loses little."""
    if file:
        file.write_text(json.dumps(record, indent=1) + "\n")


def _set(options: argparse.Namespace, old: dict[str, Any] | None) -> tuple[list[str], list[str], Any]:
    """What is run, against whom, and at which size; a comparison repeats what the old record holds."""
    former = {race["workload"]: race for race in old["workloads"]} if old else {}
    names = (
        options.only
        or list(former)
        or [w.name for w in WORKLOADS] + [p for p in PARTS if options.full or p not in ("cold", "memory")]
    )
    against = options.against
    if against is None:
        against = [r.name for r in RIVALS if (r.name in REFERENCES if former else r.quick or options.full)]

    def sizes(workload: Any) -> tuple[Any, ...]:
        if options.sizes:
            return options.sizes
        if workload.name in former:
            race = former[workload.name]
            return race["datasets"], race["rows"], race.get("parameters")
        return workload.full if options.full else (workload.datasets, workload.rows)

    return names, against, sizes


def _device(name: str | None) -> Any:
    if name is None:
        return contextlib.nullcontext()
    try:
        return jax.default_device(jax.devices(name)[0])
    except RuntimeError as error:
        raise SystemExit(f"--device {name}: JAX finds no such device here ({error})") from None


# --- options ---------------------------------------------------------------------------------------------------


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [w.name for w in WORKLOADS] + list(PARTS)
    about = (__doc__ or "") + " Parts beside the workloads: " + "; ".join(f"{k}: {v}" for k, v in PARTS.items()) + "."
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=about)
    add = parser.add_argument
    add("--full", action="store_true", help="full sizes, every rival and every part: 40 to 60 minutes on two cores")
    add("--only", type=_among(names), metavar="NAME,...", help=f"of {', '.join(names)}")
    add("--against", type=_among(["nobody", *OTHERS]), metavar="RIVAL,...", help=f"of {', '.join(OTHERS)}; or nobody")
    add("--sizes", type=_sizes, metavar="DATASETSxROWS", help="such as 2000x200; by default each its own")
    add("--device", choices=("cpu", "gpu", "tpu"), help="where JAX computes; by default where it would")
    add("--dtype", choices=("float64", "float32"), default="float64", help="in which JAX computes; float64")
    add("--repeats", type=_count, default=3, help="timed calls of each after the first; 3")
    add("--json", type=Path, metavar="FILE", help="write every number here")
    add(
        "--compare",
        type=_file,
        metavar="OLD.json",
        help="what became slower than its spread; exit code 1 if anything did",
    )
    add("--table", type=_file, metavar="FILE", help="run nothing: print (and compare) a file that --json wrote")
    return parser.parse_args(arguments)


def _among(names: list[str]) -> Any:
    def read(text: str) -> list[str]:
        found = [part.strip() for part in text.split(",") if part.strip()]
        for part in found:
            if part not in names:
                raise argparse.ArgumentTypeError(f"{part!r} is not one of {', '.join(names)}")
        return found

    return read


def _sizes(text: str) -> tuple[int, int]:
    try:
        datasets, rows = (_count(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; expected DATASETSxROWS, such as 2000x200") from None
    return datasets, rows


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError(f"{text} is not 1 or more")
    return int(text)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is no file")
    return Path(text)


def _say(text: str) -> None:
    """One line on the terminal, written over; nothing where nobody looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
