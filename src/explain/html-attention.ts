/** The script of an explanation's page that shows attention: all maps small, one large. It follows the scripts it uses. */

export const attentionScript = `
/** One head of a layer, or the mean of its heads: rows attend to columns. */
function mapOf({ shape: [heads, rows, columns], values }, head) {
  const size = rows * columns;
  const numbers = new Float32Array(size);
  const [first, last] = head === "mean" ? [0, heads] : [head, head + 1];
  for (let at = first * size; at < last * size; at++) numbers[at % size] += values[at] / 65535 / (last - first);
  return { rows, columns, numbers };
}

let stack;
let chosen = { layer: 0, head: 0 };
let shown; // the large map
let hovered; // the cell under the pointer
let pinned; // a position whose row stays shown

/** The tokens that attend, and those attended to. */
let sides = { rows: tokens, columns: tokens };
const sidesOf = (name) => ({
  rows: name === "decoder" || name === "cross" ? data.outputTokens : tokens,
  columns: name === "decoder" ? data.outputTokens : tokens,
});

/** Positions of an axis that are shown. */
const kept = (side) =>
  side.map((_, at) => at).filter((at) => !(byId("words-only").checked && side[at].isSpecial));

/** The map without the positions left out. Where attention is spread evenly, colours stay faint. */
function cropped({ columns, numbers }) {
  const [from, to] = [kept(sides.rows), kept(sides.columns)];
  const picked = Float32Array.from(from.flatMap((row) => to.map((column) => numbers[row * columns + column])));
  return { rows: from, columns: to, numbers: picked, most: picked.reduce((a, b) => Math.max(a, b), Math.min(1, 8 / to.length)) };
}

function drawOverview() {
  ramp = rampColours();
  const heads = Math.max(...stack.layers.map(({ shape }) => shape[0]));
  const box = byId("overview");
  const columns = [...Array.from({ length: heads }, (_, head) => head), ...(heads > 1 ? ["mean"] : [])];
  box.style.gridTemplateColumns = "1.6rem repeat(" + columns.length + ", minmax(0, 1fr))";
  const titles = ["", ...columns.map((head) => (head === "mean" ? "mean" : head + 1))];
  const cells = stack.layers.flatMap((layer, at) => [
    element("span", "", layer.layer === undefined ? "" : layer.layer + 1),
    ...columns.map((head) => thumbnail(layer, at, head)),
  ]);
  box.replaceChildren(...titles.map((title) => element("span", "", title)), ...cells);
  markChosen();
}

function thumbnail(layer, at, head) {
  if (head !== "mean" && head >= layer.shape[0]) return element("span", "", "");
  const button = element("button", head === "mean" ? "mean" : "", "");
  const canvas = document.createElement("canvas");
  button.append(canvas);
  button.ariaLabel = button.title = nameOf(layer, head);
  button.dataset.cell = at + " " + head;
  button.addEventListener("click", () => choose(at, head));
  drawThumbnail(canvas, cropped(mapOf(layer, head)));
  return button;
}

const nameOf = (layer, head) =>
  layer.layer === undefined ? "Rollout" : "Layer " + (layer.layer + 1) + ", " + (head === "mean" ? "mean of heads" : "head " + (head + 1));

function markChosen() {
  for (const button of byId("overview").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.cell === chosen.layer + " " + chosen.head));
  }
}

function choose(layer, head) {
  chosen = { layer, head };
  markChosen();
  drawMap();
}

/** The text attended to, coloured by what one position attends to. */
function colourRow(position) {
  const row = shown.rows.indexOf(position);
  const values = sides.columns.map((_, at) => {
    const column = shown.columns.indexOf(at);
    return row < 0 || column < 0 ? 0 : shown.numbers[row * shown.columns.length + column];
  });
  const most = largest(values);
  spans.columns.forEach((span, at) => { span.style.background = shade(values[at] / most); });
  spans.rows.forEach((span, at) => span.classList.toggle("chosen", at === position));
  if (row < 0) { byId("map-readout").textContent = "Point at a row or a token to see what it attends to."; return; }
  const best = values.map((value, at) => ({ value, at })).sort((a, b) => b.value - a.value).slice(0, 5);
  const list = best.map(({ value, at }) => sides.columns[at].token + " " + value.toFixed(3)).join(" · ");
  byId("map-readout").replaceChildren(element("b", "", sides.rows[position].token), " attends to " + list);
}

function cellAt(event) {
  const box = byId("map").getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left - place.left) / place.cell);
  const row = Math.floor((event.clientY - box.top - place.top) / place.cell);
  return row >= 0 && column >= 0 && row < shown.rows.length && column < shown.columns.length ? { row, column } : undefined;
}

/** Spans of the text that attends, where tokens can be chosen, and of the text attended to; often they are one. */
let spans;
function fillSides() {
  const isOne = sides.rows === sides.columns;
  byId("attending").hidden = isOne;
  const rows = fillText(byId(isOne ? "attended" : "attending"), sides.rows, (name, at) => {
    joinWord(rows, sides.rows, at, name !== "pointerleave");
    if (name === "click") pinned = pinned === at ? undefined : at;
    colourRow(name === "pointerenter" ? at : pinned);
  });
  spans = { rows, columns: isOne ? rows : fillText(byId("attended"), sides.columns, () => {}) };
}

byId("map").addEventListener("pointermove", (event) => {
  const cell = cellAt(event);
  if (cell && hovered && cell.row === hovered.row && cell.column === hovered.column) return;
  drawMap(cell);
  if (!cell) return;
  const [from, to] = [sides.rows[shown.rows[cell.row]], sides.columns[shown.columns[cell.column]]];
  const value = shown.numbers[cell.row * shown.columns.length + cell.column];
  byId("map-readout").replaceChildren(element("b", "", from.token + " → " + to.token + "  " + value.toFixed(4)), "  ", byId("map-readout").textContent);
});
byId("map").addEventListener("pointerleave", () => drawMap());
byId("map").addEventListener("click", (event) => { const cell = cellAt(event); pinned = cell && shown.rows[cell.row]; });

byId("overview").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -stack.width, ArrowDown: stack.width }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...byId("overview").querySelectorAll("button")];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (next) { next.focus(); next.click(); }
});

const stackTitles = { "": "Layers", encoder: "Encoder", decoder: "Decoder", cross: "Decoder to encoder", rollout: "Rollout" };
const square = [tokens.length, tokens.length];
const stacks = [
  ...data.stacks.map(({ name, layers }) => ({ name, layers: layers.map((layer) => ({ ...layer, values: decode(layer.values) })) })),
  { name: "rollout", layers: [{ shape: [1, ...square], values: decode(data.rollout) }] },
];
for (const one of stacks) one.width = Math.max(0, ...one.layers.map(({ shape }) => shape[0])) + 1;
const filled = stacks.filter(({ layers }) => layers.length > 0);
makeTabs("stacks", filled.map(({ name }) => [name, stackTitles[name] || name]), (name) => {
  stack = filled.find((one) => one.name === name);
  chosen = { layer: 0, head: 0 };
  pinned = undefined;
  sides = sidesOf(name);
  fillSides();
  drawOverview();
  drawMap();
});
const redraw = () => { drawOverview(); drawMap(); };
byId("words-only").addEventListener("change", redraw);
window.addEventListener("resize", redraw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
`;
