"""Fits in files: one file of arrays and a JSON header, no pickle, readable without the user's model."""

import dataclasses
import json
import os
import tempfile
import zipfile
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxmle import spaces
from jaxmle._engine.batch import Absent, Batch, Bucket
from jaxmle._engine.solution import Report, Solution, Starts
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status
from jaxmle._util.arrays import Data, Json
from jaxmle._util.atomic_write import whole
from jaxmle.model.geometry import Geometry
from jaxmle.model.model import Model, constant
from jaxmle.model.observations import is_constant
from jaxmle.model.unsaved import NotSaved
from jaxmle.models.recipes import made_by, recipe_of

MAGIC, FORMAT = "jaxmle fit", 2

RENAMED = {"newton_steps": "polish", "attempt": "rung"}
"Fields of an outcome, and what files of format 1 call them."


def save(solution: Solution, path: str | os.PathLike[str], *, data: bool = False) -> Path:
    """Writes the fit to one file; `jaxmle.load(path)` reads it, without the model that was fitted.

    The file is an .npz archive: estimates, information, verdicts and keys as arrays, a JSON header with names, spaces,
    versions and a format number. Estimates, standard errors and intervals come back to the last bit.

    Args:
        path: of the file; it appears whole or not at all.
        data: whether to keep data and weights too, for what is computed from them (`"robust"` and `"opg"`
            covariances, simulation, residuals, and the one-sided interval of a maximum on the boundary).

    Returns:
        the path.

    Example:
        >>> import jaxmle as jm, tempfile, pathlib
        >>> fit = jm.fit("weibull", [1.0, 2.0, 4.0, 5.0])
        >>> path = fit.save(pathlib.Path(tempfile.mkdtemp()) / "fit.npz")
        >>> float(jm.load(path).params["shape"]) == float(fit.params["shape"])
        True
    """
    if data:
        solution.batch.check_unchanged()
    store: dict[str, np.ndarray] = {}
    header = {
        "magic": MAGIC,
        "format": FORMAT,
        "single": solution.single,
        "model": _encode_model(solution.model, _Names(store)),
        "info": {name: x for name, x in solution.info.items() if name != "starts"},
        "batch": _encode_batch(solution, data, _Names(store)),
    }
    store |= {f"outcome.{name}": x for name, x in solution.outcome._asdict().items()}
    if solution.starts is not None:
        store |= {f"starts.{name}": x for name, x in solution.starts._asdict().items()}
    store["header"] = np.frombuffer(json.dumps(header, default=str).encode(), np.uint8)
    with whole(path) as name, open(name, "wb") as file:
        np.savez(file, allow_pickle=False, **store)  # pyright: ignore[reportArgumentType]
    return Path(path)


def packed(solution: Solution) -> bytes:
    """Return the content of the file that `save` writes, with the data where they are there."""
    with tempfile.TemporaryDirectory() as folder:
        return save(solution, Path(folder) / "fit.npz", data=solution.batch.kept).read_bytes()


def unpacked(content: bytes) -> Solution:
    """Make the solution of which `packed` returned the content.

    Raises:
        ValueError: for a model with a space of the user's own, which a file cannot hold.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.npz"
        path.write_bytes(content)
        header, solution, known = read(path)
    if not known:
        raise ValueError(
            f"a fit of {header['model']['name']} has a space of the user's own, which cannot be pickled; pass its params, or "
            "fit.save(path) and load(path, model=...)"
        )
    return solution


class _Names:
    """Puts arrays into the store, the same array once, and says under which name."""

    def __init__(self, store: dict[str, np.ndarray]) -> None:
        self.store, self.seen = store, {}

    def __call__(self, x: object) -> str:
        if id(x) not in self.seen:
            self.seen[id(x)] = (f"array{len(self.store)}", x)  # holding x keeps its id its own
            self.store[self.seen[id(x)][0]] = np.asarray(x)
        return self.seen[id(x)][0]


def _encode_batch(solution: Solution, data: bool, put: _Names) -> Json:
    batch = solution.batch
    found: Json = {"key_name": batch.key_name, "keys": None, "size": batch.size}
    if batch.keys is not None:
        found["keys"] = put(batch.keys)
    if batch.dropped is not None:
        found["dropped"] = put(batch.dropped)
    if batch.of is not None:
        found["of"] = put(batch.of)
    found["n"] = put(solution.n_observations)
    if data:
        found["own"] = list(batch.own)
        found["buckets"] = [
            {
                "index": put(b.positions),
                "weights": put(b.weights),
                "status": put(b.status),
                "data": _encode(b.data, put),
            }
            for b in batch.buckets
        ]
    return found


def _encode_model(model: Model, put: _Names) -> Json:
    try:
        space = _encode(model.space, lambda s: _encode_space(s, put))
    except TypeError:  # a container of the user's own: its leaves by name
        leaves = jax.tree.leaves(model.space)
        space = _encode(OrderedDict(zip(model.names, leaves, strict=True)), lambda s: _encode_space(s, put))
    has = {
        "simulate": model.simulate is not None,
        "information": model.geometry.information is not None,
        "maximum": model.geometry.closed_form is not None,
    }
    found = {"name": model.label, "names": model.names, "observations": model.observations, "space": space}
    return found | {"made": recipe_of(model)} | has


def _encode_space(s: spaces.Space, put: Callable[[object], str]) -> Json:
    return {
        "kind": s.kind.name,
        "ours": _kinds().get(s.kind.name) == s.kind,
        "value_shape": s.value_shape,
        "coordinate_shape": s.coordinate_shape,
        "bounds": [put(np.asarray(b)) for b in s.bounds],
        "source": s.source,
    }


def _kinds() -> dict[str, spaces.Kind]:
    """Return the families of spaces that jaxmle knows, by name."""
    found = [x.kind if isinstance(x, spaces.Space) else x for x in vars(spaces).values()]
    return {kind.name: kind for kind in found if isinstance(kind, spaces.Kind)}


# --- trees -----------------------------------------------------------------------------------------------


def _encode(x: Data, leaf: Callable[[Any], object]) -> Json:
    """Encode a pytree of plain containers as JSON.

    Raises:
        TypeError: for other containers, and for keys that JSON does not know.
    """
    if x is None:
        return None
    if is_constant(x):
        return {"constant": _encode(x.value, leaf)}
    if isinstance(x, Mapping):
        if any(type(k) not in (str, int) for k in x):
            raise TypeError(f"keys {list(x)} are neither text nor whole numbers")
        name = "ordered" if isinstance(x, OrderedDict) else "dict"
        return {name: [[k, _encode(v, leaf)] for k, v in x.items()]}
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        fields: Any = x
        return {"record": [type(x).__name__, list(fields._fields), [_encode(v, leaf) for v in x]]}
    if isinstance(x, (tuple, list)):
        return {type(x).__name__: [_encode(v, leaf) for v in x]}
    if not jax.tree_util.all_leaves([x]):
        raise TypeError(f"a {type(x).__name__} is no plain container")
    return {"leaf": leaf(x)}


def _decode(x: Json, leaf: Callable[[Any], object]) -> Data:
    if x is None:
        return None
    ((name, inside),) = x.items()
    match name:
        case "leaf":
            return leaf(inside)
        case "constant":
            return constant(_decode(inside, leaf))
        case "dict" | "ordered":
            pairs = [(k, _decode(v, leaf)) for k, v in inside]
            return dict(pairs) if name == "dict" else OrderedDict(pairs)
        case "record":
            return namedtuple(inside[0], inside[1])(*(_decode(v, leaf) for v in inside[2]))
        case _:
            values = [_decode(v, leaf) for v in inside]
            return tuple(values) if name == "tuple" else values


# --- reading ---------------------------------------------------------------------------------------------


def read(path: str | os.PathLike[str]) -> tuple[Json, Solution, bool]:
    """Read a file that `save` wrote: its header, the solution, and whether its model is known.

    Raises:
        FileNotFoundError, ValueError: where there is none, or it is something else, damaged, or of a later format.
    """
    header, arrays = _open(path)
    for name, before in RENAMED.items():
        if f"outcome.{before}" in arrays:
            arrays[f"outcome.{name}"] = arrays.pop(f"outcome.{before}")
    arrays.setdefault("outcome.attempt", np.zeros_like(arrays["outcome.steps"]))  # files from before further attempts
    arrays.setdefault("outcome.rule", np.full_like(arrays["outcome.status"], -1))  # files from before rules had names
    arrays.setdefault("outcome.evidence", np.full((len(arrays["outcome.status"]), 0), np.nan))
    outcome = Outcome(*(arrays[f"outcome.{name}"] for name in Outcome._fields))
    batch = _decode_batch(header, outcome, arrays)
    starts = Starts(*(arrays[f"starts.{name}"] for name in Starts._fields)) if "starts.status" in arrays else None
    model = _decode_model(header["model"], arrays)
    nothing = Model(NotSaved(header["model"]["name"]), {})
    info = header["info"]
    report = Report(**{name: info[name] for name in Report._fields if name in info})
    options = {name: x for name, x in info.items() if name not in Report._fields}
    solution = Solution(model or nothing, batch, outcome, options, report, starts)
    return header, solution, model is not None


def _open(path: str | os.PathLike[str]) -> tuple[Json, dict[str, np.ndarray]]:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; expected one that fit.save(path) wrote")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop("header").tobytes())
    except (ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile, OSError) as error:
        raise ValueError(
            f"{path} cannot be read as a saved fit ({type(error).__name__}); expected a file that fit.save(path) wrote"
        ) from error
    if header.get("magic") != MAGIC:
        raise ValueError(f"{path} is no saved fit; expected a file that fit.save(path) wrote")
    if header["format"] > FORMAT:
        raise ValueError(
            f"{path} has format {header['format']}, written by jaxmle {header['info'].get('jaxmle')}; this jaxmle reads "
            f"formats up to {FORMAT}: upgrade it with pip install -U jaxmle"
        )
    return header, arrays


def _decode_batch(header: Json, outcome: Outcome, arrays: dict[str, np.ndarray]) -> Batch:
    saved = header["batch"]

    def array(name: str) -> Any:
        return arrays[saved[name]] if saved.get(name) else None

    own = tuple(saved.get("own", [False]))
    if "buckets" in saved:
        buckets = [
            Bucket(*(arrays[b["index"]], _decode(b["data"], arrays.get), arrays[b["weights"]], arrays[b["status"]]))
            for b in saved["buckets"]
        ]
    else:
        index = np.arange(saved["size"])
        buckets = [Bucket(index, Absent(), array("n")[:, None], outcome.status)]
    return Batch(
        buckets, saved["size"], own, header["single"], array("keys"), saved["key_name"], array("dropped"), of=array("of"),
        digest=header["info"]["data"],
    )  # fmt: skip


def _decode_model(saved: Json, arrays: dict[str, np.ndarray]) -> Model | None:
    kinds = _kinds()
    if not all(s["ours"] and s["kind"] in kinds for s in _leaves(saved["space"])):
        return None

    def space(s: Json) -> spaces.Space:
        bounds = tuple(arrays[b] for b in s["bounds"])
        return spaces.Space(
            kinds[s["kind"]], tuple(s["value_shape"]), tuple(s["coordinate_shape"]), bounds, s["source"]
        )

    found, model = _decode(saved["space"], space), made_by(saved["made"])
    if model is not None and model.names == Model(NotSaved(""), found).names:
        held = any(s.kind in (spaces.PINNED, spaces.TIED) for s in jax.tree.leaves(found))
        geometry = model.geometry.restricted() if held else model.geometry
        return dataclasses.replace(model, space=found, geometry=geometry, name=saved["name"])
    lost = NotSaved(saved["name"])
    # What is not smooth is certified by the information, where there is one.
    geometry = Geometry(
        maximum=lost if saved["maximum"] else None,
        information=lost if saved["information"] else None,
        regularity="smooth" if not saved["maximum"] else "kinked" if saved["information"] else "edge",
    )
    return Model(
        lost, found, simulate=lost if saved["simulate"] else None, observations=saved["observations"], name=saved["name"],
        geometry=geometry,
    )  # fmt: skip


def _leaves(encoded: Json) -> list[Json]:
    found: list[Json] = []
    _decode(encoded, found.append)
    return found


def same_space(header: Json, model: Model) -> bool:
    """Tell whether a model's parameters are those of the file: names, families, shapes."""
    encoded = header["model"]
    theirs = [(s["kind"], *map(tuple, (s["value_shape"], s["coordinate_shape"]))) for s in _leaves(encoded["space"])]
    mine = [(s.kind.name, s.value_shape, s.coordinate_shape) for s in jax.tree.leaves(model.space)]
    return (encoded["names"], theirs) == (model.names, mine)


def describe(path: str | os.PathLike[str]) -> dict[str, str]:
    """Describe what a file holds, in words.

    Example:
        >>> import jaxmle as jm, tempfile, pathlib
        >>> path = jm.fit("poisson", [1, 2, 3]).save(pathlib.Path(tempfile.mkdtemp()) / "fit.npz")
        >>> describe(path)["parameters"]
        'mean (positive)'
    """
    header, saved, _ = read(path)
    model = header["model"]
    codes, counts = np.unique(saved.outcome.status, return_counts=True)
    keys = saved.batch.keys
    named = [f"{n} ({s['kind']})" for n, s in zip(model["names"], _leaves(model["space"]), strict=True)]
    own = "" if model["made"] else "; for what needs its log-likelihood: jaxmle.load(path, model=...)"
    found = {
        "file": f"{path}, format {header['format']}, {os.path.getsize(path):,} bytes",
        "model": model["name"] + own,
        "parameters": ", ".join(named),
        "data sets": f"{saved.batch.size:,}" + ("" if keys is None else f", by {saved.batch.key_name}"),
        "observations": f"{np.sum([b.weights.sum() for b in saved.batch.buckets]):g}",
        "dropped": f"{0 if saved.batch.dropped is None else saved.batch.dropped.sum()}",
        "verdicts": ", ".join(
            f"{n:,} {Status(int(c)).name.lower().replace('_', ' ')}" for c, n in zip(codes, counts, strict=True)
        ),
        "data": f"{'in the file' if saved.batch.kept else 'not in the file'}, hash {header['info']['data']}",
    }
    return found | {name: str(x) for name, x in header["info"].items() if name != "data"}
