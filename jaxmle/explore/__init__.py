"""The explorer: a page in the browser to place observations on and watch the maximum move.

`jaxmle explore` on the command line; it needs bokeh (`pip install '.[cli,explore]'`). The page is served from this computer, to this
computer alone unless `address` says otherwise, with all its scripts; it loads nothing from elsewhere.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxmle._util.optional import optional
from jaxmle.explore import families
from jaxmle.explore import state as states


def serve(
    file: str | Path | None = None,
    *,
    distribution: str = "normal",
    value: str = "",
    port: int = 5006,
    address: str = "127.0.0.1",
    browser: bool = True,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the explorer until interrupted.

    What the first page needs is compiled before the page opens, and the terminal shows the progress.

    Args:
        file: a table (CSV, Parquet or JSON) to begin with.
        distribution: the family to begin with, `"bernoulli"` for the coin.
        value: the column of the table; the one with most different values by default.
        port: 0 for any free one.
        address: to listen on. Beyond the loopback address everyone who reaches the computer may use the page.
        browser: whether to open it.
        ready: called with the page's address once it can be opened.

    Raises:
        ImportError: without Bokeh, with how to install it.
        ValueError: the table or the column cannot be used.
        OSError: the port is taken.
    """
    optional("bokeh", "explore")
    state, table = begin(file, distribution, value)
    from bokeh.application import Application
    from bokeh.application.handlers.function import FunctionHandler
    from bokeh.server.server import Server

    from jaxmle.explore import access, session, warm

    def report(program: str) -> None:
        print(f"compiling  {program}", file=sys.stderr, flush=True)

    def open_page(document: Any) -> None:
        session.Session(document, state, table)

    local = access.is_loopback(address)
    try:
        port = port or access.free_port(address)
        server = Server(
            {"/": Application(FunctionHandler(open_page))},
            port=port,
            address=address,
            allow_websocket_origin=[f"{x}:{port}" for x in ("127.0.0.1", "localhost")] if local else ["*"],
            auth_provider=access.OwnPages(address, port),
            websocket_max_message_size=2**28,  # a table is uploaded in one message
        )
    except OSError as error:
        raise OSError(
            f"cannot listen on {address}, port {port}: {error.strerror}; try --port 0, any free one"
        ) from None
    warm.warm(state, report)
    server.start()
    url = f"http://{'127.0.0.1' if local else address}:{server.port}/"
    print(f"the explorer is at {url}  (Ctrl-C ends it)", file=sys.stderr, flush=True)
    if browser:
        server.io_loop.add_callback(server.show, "/")
    if ready is not None:
        server.io_loop.add_callback(ready, url)
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


def begin(file: str | Path | None, distribution: str, value: str) -> tuple[states.State, dict[str, Any]]:
    """Return the first state, and the columns of the table.

    >>> from jaxmle.io import example
    >>> state, table = begin(example("remission.csv"), "weibull", "")
    >>> len(state.x), list(table)
    (42, ['weeks', 'event'])
    """
    state = states.new(families.response(distribution).name)
    if file is None:
        if value:
            raise ValueError(f"--value {value}: give the file that has this column")
        return state, {}
    table, complaints = states.columns_in(file)
    if value and value not in table:
        why = next((c for c in complaints if repr(value) in c), f"no column {value!r}")
        raise ValueError(f"{why}; columns of numbers: {', '.join(table)}")
    name = value or max(table, key=lambda name: len(np.unique(table[name])))
    return states.draw(state, table[name], f"{Path(file).name}, column {name!r}: {len(table[name])} rows"), table
