"""A drawing as PDF and as PNG: with reportlab and resvg, which come with `pip install convscope[draw]`.

PDF is drawn anew rather than converted, so that its letters stay letters; their font (Bitstream Vera, which reportlab
brings) is embedded, as publishers ask.
"""

from __future__ import annotations

import io
from typing import Any

from convscope.errors import ConvscopeError
from convscope.network.figure import Box, Drawing, Frame, Line, Text
from convscope.network.lettering import width
from convscope.report import drawing as svg

_NARROW = 88  # Vera in per cent of its width: about Arial's
_DOTS = 300  # an inch


def to_pdf(drawing: Drawing) -> bytes:
    """The drawing as a PDF of one page of its size. Raises ConvscopeError where reportlab is missing."""
    try:
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.ttfonts import TTFont
        from reportlab.pdfgen.canvas import Canvas
    except ImportError:
        raise _missing("PDF") from None
    for name, file in (("Vera", "Vera.ttf"), ("VeraBd", "VeraBd.ttf")):
        pdfmetrics.registerFont(TTFont(name, file))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(drawing.width, drawing.height), invariant=True)
    canvas.setTitle(drawing.title)
    canvas.setSubject(drawing.about)
    page = _Page(canvas, drawing.height)
    for frame in drawing.sketch.frames:
        page.frame(frame)
    for line in drawing.sketch.lines:
        page.line(line)
    for box in drawing.sketch.boxes:
        page.box(box)
    for text in drawing.sketch.texts:
        page.text(text)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def to_png(drawing: Drawing) -> bytes:
    """The drawing as a PNG of 300 dots an inch. Raises ConvscopeError where resvg or reportlab's font is missing."""
    try:
        import reportlab
        import resvg_py
    except ImportError:
        raise _missing("PNG") from None
    from pathlib import Path

    fonts = sorted(str(path) for path in (Path(reportlab.__file__).parent / "fonts").glob("Vera*.ttf"))
    text = svg.to_svg(drawing).replace(
        svg.FONTS_WRITTEN, svg.FONTS_WRITTEN.replace("sans-serif", "Bitstream Vera Sans")
    )
    return bytes(
        resvg_py.svg_to_bytes(svg_string=text, dpi=96, zoom=_DOTS / 96, background="#ffffff", font_files=fonts)
    )


def _missing(what: str) -> ConvscopeError:
    return ConvscopeError(
        f'{what} needs an extra: pip install "convscope[draw]". Without it, use a name that ends in .svg.'
    )


class _Page:
    """A page whose y grows upwards."""

    def __init__(self, canvas: Any, height: float) -> None:
        self.canvas, self.height = canvas, height

    def path(self, points: list[tuple[float, float]], closed: bool) -> Any:
        path = self.canvas.beginPath()
        for number, (x, y) in enumerate(points):
            (path.lineTo if number else path.moveTo)(x, self.height - y)
        if closed:
            path.close()
        return path

    def look(self, face: str, edge: str, wide: float, dashes: str | None = None) -> None:
        if face != "none":
            self.canvas.setFillColor(face)
        self.canvas.setStrokeColor(edge)
        self.canvas.setLineWidth(wide)
        self.canvas.setLineJoin(1)
        self.canvas.setDash([float(dash) for dash in dashes.split()] if dashes else [])

    def frame(self, frame: Frame) -> None:
        face, edge, dashes = svg.FRAMES[frame.look]
        self.look(face, edge, 0.8, dashes)
        low, round_ = self.height - frame.y - frame.height, 0 if frame.look == "cell" else 4
        self.canvas.roundRect(frame.x, low, frame.width, frame.height, round_, fill=int(face != "none"))

    def line(self, line: Line) -> None:
        colour = svg.SIDE if line.side else svg.LINE
        self.look(colour, colour, 0.9, "3 2" if line.side else None)
        self.canvas.drawPath(self.path(svg.shaft(line), False))
        if line.arrow:
            self.canvas.drawPath(self.path(svg.head(line), True), stroke=0, fill=1)

    def box(self, box: Box) -> None:
        face, edge = svg.COLOURS[box.role]
        low = self.height - box.y - box.height
        if box.look in ("slab", "slice"):
            for points, colour in svg.faces(box):
                self.look(colour, edge, 0.6)
                self.canvas.drawPath(self.path(points, True), fill=1)
        elif box.look == "sum":
            self.look(face, edge, 0.9)
            r = box.width / 2
            x, y, arm = box.x + r, low + r, r * 0.55
            self.canvas.circle(x, y, r, fill=1)
            self.canvas.lines([(x - arm, y, x + arm, y), (x, y - arm, x, y + arm)])
        elif box.look == "mini":
            self.look(svg.lighter(edge, 0.25), edge, 0.6)
            self.canvas.rect(box.x, low, box.width, box.height, stroke=0, fill=1)
        else:
            self.look(face, edge, 0.8 if box.look in ("box", "bar") else 0.6)
            corner = {"box": 2, "bar": 1}.get(box.look, 0)
            self.canvas.roundRect(box.x, low, box.width, box.height, corner, fill=1)

    def text(self, text: Text) -> None:
        font = "VeraBd" if text.look == "strong" else "Vera"
        canvas = self.canvas
        canvas.saveState()
        canvas.translate(text.x, self.height - text.y)
        if text.turned:
            canvas.rotate(90)
        own = canvas.stringWidth(text.words, font, text.size)
        share = min(_NARROW / 100, width(text.words, text.size, text.look == "strong") / own if own else 1)
        start = {"start": 0.0, "middle": -own * share / 2, "end": -own * share}[text.anchor]
        canvas.setFillColor(svg.INK[text.look])
        written = canvas.beginText(start, -0.35 * text.size)
        written.setFont(font, text.size)
        written.setHorizScale(100 * share)
        written.textOut(text.words)
        canvas.drawText(written)
        canvas.restoreState()
