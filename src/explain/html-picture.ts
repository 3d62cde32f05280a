/** Functions of an explanation's page that draw attention maps, small and large. They follow the script of the text. */

export const pictureScript = `
function decode(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
}

const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

let ramp;
/** 256 colours of the ramp in the present scheme, as red, green and blue. */
function rampColours() {
  const canvas = document.createElement("canvas");
  canvas.width = 256;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  const gradient = context.createLinearGradient(0, 0, 256, 0);
  [0, 1, 2].forEach((stop) => gradient.addColorStop(stop / 2, colourOf("--ramp-" + stop)));
  context.fillStyle = gradient;
  context.fillRect(0, 0, 256, 1);
  return context.getImageData(0, 0, 256, 1).data;
}

/** Index of a value's colour: the square root tells small values apart. */
const rampIndex = (value, most) => Math.round(Math.sqrt(Math.min(1, value / most)) * 255);

const thumbnailSize = 48;

/** A small picture; where cells are smaller than pixels, a pixel has the largest of them. */
function drawThumbnail(canvas, map) {
  const [height, width] = [map.rows.length, map.columns.length].map((length) => Math.max(1, Math.min(length, thumbnailSize)));
  const pixels = new Float32Array(width * height);
  map.numbers.forEach((value, at) => {
    const row = Math.floor((Math.floor(at / map.columns.length) * height) / map.rows.length);
    const pixel = row * width + Math.floor(((at % map.columns.length) * width) / map.columns.length);
    pixels[pixel] = Math.max(pixels[pixel], value);
  });
  drawPixels(canvas, width, height, pixels, map.most);
}

/** Makes the canvas a picture of the values in the colours of the ramp. */
function drawPixels(canvas, width, height, values, most) {
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  values.forEach((value, at) => {
    const colour = rampIndex(value, most) * 4;
    image.data.set(ramp.subarray(colour, colour + 4), at * 4);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Where the cells of the large map lie, in CSS pixels. */
let place = { left: 0, top: 0, cell: 0 };

function drawMap(cross) {
  hovered = cross;
  const layer = stack.layers[chosen.layer];
  shown = cropped(mapOf(layer, chosen.head));
  byId("map-title").textContent = nameOf(layer, chosen.head);
  byId("ramp-note").textContent = "0 to " + shown.most.toFixed(3) + ", square-root scale; rows attend to columns";
  const canvas = byId("map");
  const context = canvas.getContext("2d");
  const room = canvas.parentElement.clientWidth - 150;
  const cell = Math.max(10, Math.min(34, Math.floor(room / Math.max(1, shown.columns.length))));
  const font = Math.max(9, Math.min(13, cell - 1)) + "px system-ui, sans-serif";
  context.font = font;
  const widest = (axis) =>
    Math.max(0, ...shown[axis].map((at) => context.measureText(labelOf(sides[axis][at])).width));
  const left = Math.ceil(widest("rows")) + 10;
  const top = Math.ceil(widest("columns") * 0.87) + 14;
  const [width, height] = [left + shown.columns.length * cell + Math.ceil(top * 0.6), top + shown.rows.length * cell + 2];
  const scale = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: width * scale, height: height * scale });
  Object.assign(canvas.style, { width: width + "px", height: height + "px" });
  place = { left, top, cell };
  context.scale(scale, scale);
  drawCells(context, cell);
  drawLabels(context, font, cross);
  if (cross) drawCross(context, cross);
  colourRow(cross ? shown.rows[cross.row] : pinned);
}

/** A picture with one pixel for each cell, enlarged; where cells are large, lines part them. */
function drawCells(context, cell) {
  const { left, top } = place;
  const [width, height] = [shown.columns.length, shown.rows.length];
  const picture = document.createElement("canvas");
  drawPixels(picture, width, height, shown.numbers, shown.most);
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, left, top, width * cell, height * cell);
  if (cell < 14) return;
  context.fillStyle = colourOf("--card");
  for (let column = 1; column <= width; column++) context.fillRect(left + column * cell - 1, top, 1, height * cell);
  for (let row = 1; row <= height; row++) context.fillRect(left, top + row * cell - 1, width * cell, 1);
}

const labelOf = ({ token }) => (token.length > 16 ? token.slice(0, 15) + "…" : token);

function drawLabels(context, font, cross) {
  const { left, top, cell } = place;
  const colour = (token, isHovered) => colourOf(isHovered ? "--cross" : token.isSpecial ? "--soft" : "--ink");
  context.font = font;
  context.textBaseline = "middle";
  context.textAlign = "right";
  shown.rows.forEach((at, row) => {
    context.fillStyle = colour(sides.rows[at], cross && cross.row === row);
    context.fillText(labelOf(sides.rows[at]), left - 6, top + (row + 0.5) * cell);
  });
  context.textAlign = "left";
  shown.columns.forEach((at, column) => {
    context.save();
    context.translate(left + (column + 0.5) * cell, top - 6);
    context.rotate(-Math.PI / 3);
    context.fillStyle = colour(sides.columns[at], cross && cross.column === column);
    context.fillText(labelOf(sides.columns[at]), 0, 0);
    context.restore();
  });
}

function drawCross(context, { row, column }) {
  const { left, top, cell } = place;
  context.strokeStyle = colourOf("--cross");
  context.strokeRect(left - 0.5, top + row * cell - 0.5, shown.columns.length * cell, cell);
  context.strokeRect(left + column * cell - 0.5, top - 0.5, cell, shown.rows.length * cell);
}
`;
