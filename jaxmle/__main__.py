"""`python -m jaxmle` and the console command `jaxmle`."""

import sys

from jaxmle._util.optional import optional


def main() -> None:
    """Run the command line; without its dependencies, print how to install them."""
    try:
        for module in ("typer", "rich", "polars"):
            optional(module, "cli")
    except ImportError as error:
        print(f"jaxmle: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    from jaxmle.cli.app import app

    app(prog_name="jaxmle")


if __name__ == "__main__":
    main()
