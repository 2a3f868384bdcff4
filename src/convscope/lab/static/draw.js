/** The pen: strokes by mouse, pen or touch on a square, white on black, as bytes for the network. */

import { el } from "./dom.js";
import { base64, paintPicture } from "./paint.js";

const GRID = 512; // places along a side that a stroke's points can have
const SIDE = 112; // pixels of the picture that is sent
const SHOWN = 560; // of the canvas
const PEN = 0.082; // of the side
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/**
 * Strokes as text for the address: three characters a point, strokes parted by dots.
 * @param {number[][][]} strokes
 */
export function written(strokes) {
  const point = ([x, y]) => {
    const number = Math.min(x, GRID - 1) * GRID + Math.min(y, GRID - 1);
    return DIGITS[number >> 12] + DIGITS[(number >> 6) & 63] + DIGITS[number & 63];
  };
  return strokes.map((stroke) => stroke.map(point).join("")).join(".");
}

/** The strokes of such a text; what isn't one is no stroke. @returns {number[][][]} */
export function read(text) {
  if (!/^[A-Za-z0-9._-]{0,60000}$/.test(text)) return [];
  return text.split(".").map((part) => {
    const points = [];
    for (let i = 0; i + 2 < part.length; i += 3) {
      const number = [0, 1, 2].reduce((sum, turn) => sum * 64 + DIGITS.indexOf(part[i + turn]), 0);
      if (number >= 0) points.push([Math.floor(number / GRID), number % GRID]);
    }
    return points;
  }).filter((points) => points.length);
}

/**
 * The square to draw on. onChange(when, finished): `when` is the time of the pen's movement.
 * @param {(when: number, finished: boolean) => void} onChange
 */
export function pad(onChange, label) {
  const shown = el("canvas", { class: "pad", width: SHOWN, height: SHOWN, role: "img", "aria-label": label });
  const sent = el("canvas", { width: SIDE, height: SIDE });
  const brushes = [
    [shown.getContext("2d", { willReadFrequently: true }), SHOWN],
    [sent.getContext("2d", { willReadFrequently: true }), SIDE],
  ];
  /** @type {number[][][]} */
  let strokes = [];
  let own = true; // false while it shows a picture that wasn't drawn
  let pen = null;

  function blank() {
    for (const [brush, side] of brushes) {
      brush.fillStyle = "#000";
      brush.fillRect(0, 0, side, side);
    }
  }

  function ink(from, to) {
    for (const [brush, side] of brushes) {
      const scale = side / GRID;
      brush.strokeStyle = "#fff";
      brush.lineWidth = PEN * side;
      brush.lineCap = brush.lineJoin = "round";
      brush.beginPath();
      brush.moveTo(from[0] * scale, from[1] * scale);
      brush.lineTo(to[0] * scale + 0.01, to[1] * scale);
      brush.stroke();
    }
  }

  function redraw() {
    shown.width = shown.height = SHOWN;
    blank();
    for (const stroke of strokes) stroke.forEach((point, i) => ink(stroke[Math.max(0, i - 1)], point));
  }

  function at(event) {
    const box = shown.getBoundingClientRect();
    const place = (value) => Math.max(0, Math.min(GRID - 1, Math.round(value * GRID)));
    return [place((event.clientX - box.left) / box.width), place((event.clientY - box.top) / box.height)];
  }

  shown.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pen !== null) return;
    event.preventDefault();
    shown.setPointerCapture(event.pointerId);
    pen = event.pointerId;
    if (!own) {
      strokes = [];
      own = true;
      redraw();
    }
    const point = at(event);
    strokes.push([point]);
    ink(point, point);
    onChange(event.timeStamp, false);
  });
  shown.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pen) return;
    const stroke = strokes[strokes.length - 1];
    const moves = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    let moved = false;
    for (const each of moves.length ? moves : [event]) {
      const point = at(each);
      const last = stroke[stroke.length - 1];
      if (Math.hypot(point[0] - last[0], point[1] - last[1]) < 3) continue;
      ink(last, point);
      stroke.push(point);
      moved = true;
    }
    if (moved) onChange(event.timeStamp, false);
  });
  const up = (event) => {
    if (event.pointerId !== pen) return;
    pen = null;
    onChange(event.timeStamp, true);
  };
  shown.addEventListener("pointerup", up);
  shown.addEventListener("pointercancel", up);
  blank();

  return {
    element: shown,
    /** Whether the pen is on the square. */
    busy: () => pen !== null,
    text: () => written(strokes),
    empty: () => !own || !strokes.length,
    /** The drawing as the server takes one. */
    picture() {
      const { data } = brushes[1][0].getImageData(0, 0, SIDE, SIDE);
      const grey = new Uint8Array(SIDE * SIDE);
      for (let i = 0; i < grey.length; i++) grey[i] = data[4 * i];
      return { height: SIDE, width: SIDE, channels: 1, pixels: base64(grey) };
    },
    clear() {
      strokes = [];
      own = true;
      redraw();
    },
    undo() {
      if (own) strokes.pop();
      redraw();
    },
    /** The strokes of an address. */
    load(text) {
      if (own && text === written(strokes)) return;
      own = true;
      strokes = read(text);
      redraw();
    },
    /** A picture that was not drawn; the next stroke begins a new drawing. */
    show(picture) {
      own = false;
      const k = Math.max(1, Math.round(SHOWN / Math.max(picture.height, picture.width)));
      const small = el("canvas");
      paintPicture(small, picture, k);
      shown.width = shown.height = SHOWN;
      const brush = brushes[0][0];
      brush.fillStyle = "#000";
      brush.fillRect(0, 0, SHOWN, SHOWN);
      brush.imageSmoothingEnabled = small.width > SHOWN || small.height > SHOWN;
      const scale = SHOWN / Math.max(small.width, small.height);
      const [width, height] = [small.width * scale, small.height * scale];
      brush.drawImage(small, (SHOWN - width) / 2, (SHOWN - height) / 2, width, height);
    },
  };
}
