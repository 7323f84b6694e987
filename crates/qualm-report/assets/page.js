"use strict";
(() => {
const number = new Intl.NumberFormat("en");
const counted = (n, what) => `${number.format(n)} ${what}${n === 1 ? "" : "s"}`;

/* Tables: every column sorts by a button in its head, and a filter hides rows. */
const chosen = new Map();
function refresh(table) {
  const filter = document.querySelector(`[data-filter="${table.id}"]`);
  const words = filter ? filter.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
  const only = chosen.get(table.id);
  let n = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    const shown = words.every(word => text.includes(word)) && (!only || only.has(row.cells[1].dataset.v));
    row.hidden = !shown;
    if (shown) n += 1;
  }
  const count = document.querySelector(`[data-count="${table.id}"]`);
  if (count) {
    const all = table.tBodies[0].rows.length;
    count.textContent = n === all ? counted(all, "row") : `${number.format(n)} of ${counted(all, "row")}`;
  }
}
function sort(table, column, button) {
  const head = button.closest("th");
  const falling = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const key = row => {
    const cell = row.cells[column];
    const value = cell.dataset.v;
    return value === undefined ? cell.textContent : value === "" ? null : Number(value);
  };
  const order = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const found = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return falling ? -found : found;
  };
  const rows = Array.from(table.tBodies[0].rows, (row, i) => ({ row, key: key(row), i }));
  rows.sort((a, b) => order(a.key, b.key) || a.i - b.i);
  table.tBodies[0].append(...rows.map(r => r.row));
}
for (const table of document.querySelectorAll("table[data-sortable]")) {
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(table, column, button));
    head.replaceChildren(button);
  });
  const filter = document.querySelector(`[data-filter="${table.id}"]`);
  if (filter) filter.addEventListener("input", () => refresh(table));
}

/* In a frame of a notebook a link to a place of the page would load the notebook there. */
if (document.URL === "about:srcdoc") {
  document.addEventListener("click", event => {
    const link = event.target.closest('a[href^="#"]');
    const place = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!place) return;
    event.preventDefault();
    place.scrollIntoView();
    place.focus({ preventScroll: true });
  });
}

/* The map: points on a canvas, drawn by rank of the score, the strangest last. */
const data = document.getElementById("map-data");
if (!data) return;
const map = JSON.parse(data.textContent);
const bytes = Uint8Array.from(atob(map.data), c => c.charCodeAt(0));
const view = new DataView(bytes.buffer);
const n = map.n;
const xs = new Float32Array(n), ys = new Float32Array(n), ranks = new Uint8Array(n), rows = new Uint32Array(n);
for (let i = 0; i < n; i += 1) {
  xs[i] = view.getUint16(2 * i, true) / 65535;
  ys[i] = 1 - view.getUint16(2 * (n + i), true) / 65535;
  ranks[i] = bytes[4 * n + i];
  rows[i] = map.numbered ? view.getUint32(5 * n + 4 * i, true) : i;
}
const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => ranks[a] - ranks[b] || a - b);
const canvas = document.getElementById("map-canvas");
const pen = canvas.getContext("2d");
const status = document.getElementById("map-status");
const dark = matchMedia("(prefers-color-scheme: dark)");
const from = { light: [[44, 74, 124], [120, 150, 190], [240, 160, 60], [196, 40, 20]], dark: [[66, 90, 140], [95, 140, 190], [250, 190, 90], [255, 110, 80]] };
function palette() {
  const stops = dark.matches ? from.dark : from.light;
  return Array.from({ length: 256 }, (_, i) => {
    const place = i < 128 ? i / 128 : i < 240 ? 1 + (i - 128) / 112 : 2 + (i - 240) / 15;
    const k = Math.min(2, Math.floor(place)), t = place - k;
    return `rgb(${stops[k].map((v, c) => Math.round(v + t * (stops[k + 1][c] - v))).join(",")})`;
  });
}
let zoom = 1, shift = [0, 0], cross = [0.5, 0.5], span = null, path = null, selected = null, asked = false;
let size = [0, 0], ratio = 1;
const side = () => Math.min(size[0], size[1]) * 0.94 * zoom;
const toScreen = (x, y) => [size[0] / 2 + (x - 0.5) * side() + shift[0], size[1] / 2 + (y - 0.5) * side() + shift[1]];
const toMap = (x, y) => [(x - size[0] / 2 - shift[0]) / side() + 0.5, (y - size[1] / 2 - shift[1]) / side() + 0.5];
function draw() {
  asked = false;
  ratio = Math.min(2, window.devicePixelRatio || 1);
  size = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(size[0] * ratio);
  canvas.height = Math.round(size[1] * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, size[0], size[1]);
  const colours = palette();
  const dot = Math.max(1.5, Math.min(6, (n > 20000 ? 1.6 : n > 2000 ? 2.4 : 4) * Math.sqrt(zoom)));
  let last = -1;
  for (const i of order) {
    const [x, y] = toScreen(xs[i], ys[i]);
    if (x < -dot || y < -dot || x > size[0] + dot || y > size[1] + dot) continue;
    if (ranks[i] !== last) { last = ranks[i]; pen.fillStyle = colours[last]; }
    pen.globalAlpha = selected && !selected.has(i) ? 0.15 : 0.85;
    pen.fillRect(x - dot / 2, y - dot / 2, dot, dot);
  }
  pen.globalAlpha = 1;
  const ink = getComputedStyle(canvas).color;
  pen.strokeStyle = ink;
  pen.lineWidth = 1.5;
  if (path && path.length > 1) {
    pen.setLineDash([5, 4]);
    pen.beginPath();
    path.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.stroke();
    pen.setLineDash([]);
  }
  if (document.activeElement === canvas) {
    const [x, y] = toScreen(cross[0], cross[1]);
    pen.beginPath();
    pen.moveTo(x - 9, y); pen.lineTo(x + 9, y); pen.moveTo(x, y - 9); pen.lineTo(x, y + 9);
    pen.stroke();
    if (span) {
      const [u, v] = toScreen(span[0], span[1]);
      pen.strokeRect(Math.min(x, u), Math.min(y, v), Math.abs(x - u), Math.abs(y - v));
    }
  }
}
function again() { if (!asked) { asked = true; requestAnimationFrame(draw); } }
function select(inside) {
  const found = [];
  for (let i = 0; i < n; i += 1) if (inside(xs[i], ys[i])) found.push(i);
  selected = found.length ? new Set(found) : null;
  tell();
}
function tell() {
  const table = document.getElementById("top-table");
  if (!selected) {
    chosen.delete("top-table");
    status.textContent = "Nothing is selected.";
  } else {
    const numbers = new Set(Array.from(selected, i => String(rows[i] + 1)));
    chosen.set("top-table", numbers);
    const best = Array.from(selected).sort((a, b) => ranks[b] - ranks[a] || a - b).slice(0, 8);
    status.textContent = `${counted(selected.size, "row")} selected; those with the highest scores: ${best.map(i => rows[i] + 1).join(", ")}. The table of the strangest rows shows those of them that it lists.`;
  }
  if (table) refresh(table);
  again();
}
function lasso(points) {
  const corners = points.map(([x, y]) => toMap(x, y));
  select((x, y) => {
    let inside = false;
    for (let i = 0, j = corners.length - 1; i < corners.length; j = i, i += 1) {
      const [ax, ay] = corners[i], [bx, by] = corners[j];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    }
    return inside;
  });
}
function scale(factor, x = size[0] / 2, y = size[1] / 2) {
  const before = toMap(x, y);
  zoom = Math.min(200, Math.max(1, zoom * factor));
  const [u, v] = toScreen(before[0], before[1]);
  shift = zoom === 1 ? [0, 0] : [shift[0] + x - u, shift[1] + y - v];
  again();
}
const mode = () => document.querySelector("input[name=map-mode]:checked").value;
let dragged = null;
canvas.addEventListener("pointerdown", event => {
  canvas.setPointerCapture(event.pointerId);
  dragged = [event.offsetX, event.offsetY];
  path = mode() === "lasso" ? [dragged] : null;
});
canvas.addEventListener("pointermove", event => {
  if (!dragged) return;
  const here = [event.offsetX, event.offsetY];
  if (path) path.push(here);
  else shift = [shift[0] + here[0] - dragged[0], shift[1] + here[1] - dragged[1]];
  dragged = here;
  again();
});
canvas.addEventListener("pointerup", () => {
  if (path && path.length > 3) lasso(path);
  dragged = path = null;
  again();
});
canvas.addEventListener("wheel", event => {
  if (!event.ctrlKey && document.activeElement !== canvas) return;
  event.preventDefault();
  scale(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.offsetX, event.offsetY);
}, { passive: false });
canvas.addEventListener("keydown", event => {
  const step = 12 / side();
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  const move = moves[event.key];
  if (move) {
    if (!event.shiftKey) span = null;
    else if (!span) span = cross.slice();
    cross = [0, 1].map(k => Math.min(1, Math.max(0, cross[k] + move[k])));
  } else if (event.key === "Enter" || event.key === " ") {
    const near = 10 / side();
    const box = span ? [0, 1].map(k => [Math.min(span[k], cross[k]), Math.max(span[k], cross[k])]) : cross.map(c => [c - near, c + near]);
    select((x, y) => x >= box[0][0] && x <= box[0][1] && y >= box[1][0] && y <= box[1][1]);
  } else if (event.key === "+" || event.key === "=") {
    scale(1.4, ...toScreen(cross[0], cross[1]));
  } else if (event.key === "-") {
    scale(1 / 1.4, ...toScreen(cross[0], cross[1]));
  } else if (event.key === "Escape") {
    span = null; selected = null; tell();
  } else return;
  event.preventDefault();
  again();
});
for (const name of ["focus", "blur"]) canvas.addEventListener(name, again);
const on = (id, act) => document.getElementById(id).addEventListener("click", act);
on("map-in", () => scale(1.5));
on("map-out", () => scale(1 / 1.5));
on("map-reset", () => { zoom = 1; shift = [0, 0]; again(); });
on("map-clear", () => { selected = null; span = null; tell(); });
new ResizeObserver(again).observe(canvas);
dark.addEventListener("change", again);
draw();
})();
