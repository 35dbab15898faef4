"""Pieces of a self-contained HTML page."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #111827; background: #f3f4f6; margin: 0; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 18px; }
h2 { font-size: 18px; margin: 34px 0 10px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); gap: 10px; }
.card, figure, .panel { background: #fff; border-radius: 10px; box-shadow: 0 1px 3px #0002; }
.card { padding: 10px 14px; }
.card b { display: block; font-size: 19px; font-weight: 600; overflow-wrap: anywhere; }
.card span, figcaption, p { color: #4b5563; font-size: 13px; }
.panel { padding: 12px; }
.panel img { width: 100%; display: block; }
.matches { display: grid; gap: 14px; }
@media (min-width: 900px) { .matches { grid-template-columns: 1fr 1fr; } }
figure { margin: 0; overflow: hidden; }
figure img { width: 100%; display: block; }
figcaption { padding: 7px 12px 9px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: right; padding: 4px 10px; border-bottom: 1px solid #e5e7eb; }
th:first-child, td:first-child { text-align: left; }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Return the page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}</style></head>'
        f'<body><main><h1>{escape(title)}</h1>{"".join(parts)}</main></body></html>\n'
    )


def section(title: str, content: str) -> str:
    """Return content, which is HTML, under a heading."""
    return f'<h2>{escape(title)}</h2>{content}'


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table of texts."""
    head = ''.join(f'<th>{escape(text)}</th>' for text in heads)
    lines = (''.join(f'<td>{escape(str(cell))}</td>' for cell in row) for row in rows)
    body = ''.join(f'<tr>{line}</tr>' for line in lines)
    return f'<div class="panel"><table><tr>{head}</tr>{body}</table></div>'


def panel(figure: Figure) -> str:
    """Return a drawing."""
    return f'<div class="panel">{image("png", png(figure))}</div>'


def image(kind: str, data: bytes) -> str:
    """
    Return a picture.

    :param kind: 'png' or 'jpeg'.
    """
    return f'<img alt="" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def png(figure: Figure) -> bytes:
    """Draw a figure."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
