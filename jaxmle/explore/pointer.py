"""Pointer events of the browser, numbered, in place of Bokeh's recognizer of taps and double taps, so that no click is lost.

That recognizer waits to see whether a second tap makes a double one, and drops both where it cannot tell. Here listeners
on the plot's canvas turn each event into a row of a `ColumnDataSource`, which the server reads in order; the numbers
1, 2, 3, ... prove that none is missing.
"""

from typing import Any

REMEMBERED = 1000
"Rows of events kept; the server has read older ones."

# Names: figure (the plot), points (what can be grabbed: x, y, id), events (where to write), near (pixels), kept (rows).
LISTEN = """
const view = cb_context.index.find_one(figure)
const canvas = view.canvas_view.events_el
const frame = view.frame
let number = 0
let pressed = null

function position(event) {
  const box = canvas.getBoundingClientRect()
  return [event.clientX - box.left, event.clientY - box.top]
}
function nearest(sx, sy) {
  const {x, y, id} = points.data
  let [best, hit] = [near * near, -1]
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [frame.x_scale.compute(x[i]) - sx, frame.y_scale.compute(y[i]) - sy]
    const distance = dx * dx + dy * dy
    if (distance < best) {
      [best, hit] = [distance, id[i]]
    }
  }
  return hit
}
function send(kind, sx, hit, moved) {
  number += 1
  const row = {number: [number], kind: [kind], x: [frame.x_scale.invert(sx)], hit: [hit], moved: [moved ? 1 : 0]}
  events.stream(row, kept)
}
function inside(sx, sy) {
  return sx >= frame.bbox.left && sx <= frame.bbox.right && sy >= frame.bbox.top && sy <= frame.bbox.bottom
}

canvas.style.touchAction = "none"
canvas.style.outline = "none"
canvas.addEventListener("pointerdown", (event) => {
  const [sx, sy] = position(event)
  if (event.button != 0 || pressed != null || !inside(sx, sy)) return
  pressed = {pointer: event.pointerId, sx, sy, moved: false}
  try { canvas.setPointerCapture(event.pointerId) } catch {}
  send(0, sx, nearest(sx, sy), false)
})
canvas.addEventListener("pointermove", (event) => {
  const [sx, sy] = position(event)
  if (pressed == null) {
    canvas.style.cursor = !inside(sx, sy) ? "default" : nearest(sx, sy) < 0 ? "copy" : "grab"
    return
  }
  if (event.pointerId != pressed.pointer) return
  pressed.moved ||= Math.hypot(sx - pressed.sx, sy - pressed.sy) > 4
  if (pressed.moved) {
    canvas.style.cursor = "grabbing"
    send(1, sx, -1, true)
  }
})
function release(event) {
  if (pressed == null || event.pointerId != pressed.pointer) return
  const [sx] = position(event)
  send(2, sx, -1, pressed.moved)
  pressed = null
}
canvas.addEventListener("pointerup", release)
canvas.addEventListener("pointercancel", release)
figure.tags = [...figure.tags, "listening"]
"""


def listen(document: Any, figure: Any, points: Any, events: Any, near: float = 9.0) -> None:
    """Attach the listeners as soon as the page is drawn.

    Args:
        document: of Bokeh.
        figure: the plot.
        points: source with columns x, y, id: what a press may hit.
        events: source with columns number, kind, x, hit, moved, to which rows are added.
        near: pixels within which a press hits.
    """
    from bokeh.models import CustomJS

    arguments = {"figure": figure, "points": points, "events": events, "near": near, "kept": REMEMBERED}
    document.js_on_event("document_ready", CustomJS(args=arguments, code=LISTEN))
