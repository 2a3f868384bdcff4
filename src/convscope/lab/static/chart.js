/** A chart of lines in SVG: what a training writes down, epoch by epoch, with the intervals of its accuracies. */

const LEFT = 50, RIGHT = 14, TOP = 12, BOTTOM = 26; // of the picture, around the lines
const NS = "http://www.w3.org/2000/svg";

function svg(name, attributes, ...children) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Three to six round numbers from low to high. */
export function ticks(low, high) {
  const raw = (high - low) / 4 || 1;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * size).find((each) => each >= raw * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at++) found.push(Number((at * step).toPrecision(12)));
  return found;
}

/**
 * @param {{name: string, kind: string, points: {x: number, y: number, low?: number, high?: number}[]}[]} lines
 * @param {{label: string, percent?: boolean, upto?: number, mark?: number|null, share?: boolean, small?: boolean}} about upto: the last x, if known;
 * share: x is a share of 1, and so is y
 */
export function chart(lines, { label, percent = false, upto = 0, mark = null, share = false, small = false }) {
  const [W, H] = small ? [300, 150] : [620, 230];
  const all = lines.flatMap((line) => line.points).filter((point) => Number.isFinite(point.y));
  const right = Math.max(share ? 0 : 1, upto, ...all.map((point) => point.x));
  const values = all.flatMap((point) => [point.low ?? point.y, point.high ?? point.y]);
  let [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  if (share) [low, high] = [0, 1];
  else if (percent) [low, high] = [Math.max(0, Math.min(low, high - 0.02)), Math.min(1, high + 0.002)];
  else low = Math.min(0, low);
  if (high <= low) high = low + 1;
  const x = (value) => LEFT + (value / right) * (W - LEFT - RIGHT);
  const y = (value) => H - BOTTOM - ((value - low) / (high - low)) * (H - TOP - BOTTOM);
  const digits = percent && high - low < 0.05 ? 1 : 0;
  const made = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label, class: "chart" });
  for (const value of ticks(low, high)) {
    made.append(svg("line", { x1: LEFT, x2: W - RIGHT, y1: y(value), y2: y(value), class: "grid" }),
      svg("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, percent ? `${(100 * value).toFixed(digits)} %` : String(value)));
  }
  for (const value of ticks(0, right).filter((each) => share || Number.isInteger(each))) {
    const text = share ? `${Math.round(100 * value)} %` : String(value);
    made.append(svg("text", { x: x(value), y: H - 7, "text-anchor": share && value === right ? "end" : "middle" }, text));
  }
  if (mark !== null) made.append(svg("line", { x1: x(mark), x2: x(mark), y1: TOP, y2: H - BOTTOM, class: "mark" }));
  for (const line of lines) {
    const points = line.points.filter((point) => Number.isFinite(point.y));
    const band = points.filter((point) => point.low !== undefined);
    if (band.length > 1) {
      const there = band.map((point) => `${x(point.x)},${y(point.high)}`), back = band.map((point) => `${x(point.x)},${y(point.low)}`).reverse();
      made.append(svg("polygon", { points: [...there, ...back].join(" "), class: `band ${line.kind}` }));
    }
    made.append(svg("polyline", { points: points.map((point) => `${x(point.x)},${y(point.y)}`).join(" "), class: `line ${line.kind}` }));
    const last = points.at(-1);
    if (last) made.append(svg("circle", { cx: x(last.x), cy: y(last.y), r: 3.5, class: `dot ${line.kind}` }));
  }
  return made;
}

/** The 95 % interval of k right of n (Wilson 1927). */
export function interval(k, n, z = 1.959964) {
  const p = k / n, d = 1 + (z * z) / n;
  const middle = (p + (z * z) / (2 * n)) / d, half = (z / d) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}
