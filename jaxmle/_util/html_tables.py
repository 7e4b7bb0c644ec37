"""Tables and paragraphs as HTML, for notebooks: plain, without colors of their own."""

import html


def table(head: list[str], rows: list[list[str]]) -> str:
    """Format an HTML table: the first column to the left, the others to the right; every cell escaped.

    Example:
        >>> table(["", "n"], [["a<b", "3"]])
        "<table><thead><tr><th style='text-align:left'></th><th style='text-align:right'>n</th></tr></thead><tbody><tr><td style='text-align:left'>a&lt;b</td><td style='text-align:right'>3</td></tr></tbody></table>"
    """

    def line(cells: list[str], tag: str) -> str:
        sides = ("left", *["right"] * (len(cells) - 1))
        inside = (f"<{tag} style='text-align:{s}'>{html.escape(c)}</{tag}>" for s, c in zip(sides, cells, strict=True))
        return f"<tr>{''.join(inside)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"


def paragraph(text: str) -> str:
    """Format a paragraph, escaped."""
    return f"<p style='margin:0.3em 0'>{html.escape(text)}</p>"
