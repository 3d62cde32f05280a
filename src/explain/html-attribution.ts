/** The script of an explanation's page that shows the text, coloured by how much each token counts. */

export const attributionScript = `
"use strict";
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const tokens = data.tokens;

const methods = {
  integratedGradients: ["Integrated gradients", "Tokens add up to the difference between the two scores; blue speaks for the answer, orange against it."],
  gradientTimesInput: ["Gradient × input", "What a small change of each token's embedding would do; blue speaks for the answer, orange against it."],
  rollout: ["Attention rollout", "Share of each token, when attention alone mixes them."],
};

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);

/** The tokens in a paragraph, with a space where the text has one; onToken(event name, position) is told of the pointer. */
function fillText(paragraph, tokens, onToken) {
  paragraph.replaceChildren();
  const spans = tokens.map((token, at) => {
    const isFirst = at === 0 || tokens[at - 1].word !== token.word;
    const isLast = at === tokens.length - 1 || tokens[at + 1].word !== token.word;
    const kinds = ["token", isFirst && "first", isLast && "last", token.isSpecial && "special"];
    const span = element("span", kinds.filter(Boolean).join(" "), token.text);
    for (const name of ["pointerenter", "pointerleave", "click"]) span.addEventListener(name, () => onToken(name, at));
    if (at > 0 && token.isApart) paragraph.append(" ");
    paragraph.append(span);
    return span;
  });
  return spans;
}

function joinWord(spans, tokens, at, isOn) {
  spans.forEach((span, other) => span.classList.toggle("joined", isOn && tokens[other].word === tokens[at].word));
}

const wordPieces = (at) => tokens.map((_, other) => other).filter((other) => tokens[other].word === tokens[at].word);
const wordText = (at) => wordPieces(at).map((other) => tokens[other].text).join("");

/** Colour of a share from -1 to 1. */
function shade(share) {
  const strength = Math.round(Math.min(1, Math.abs(share)) * 72);
  return "color-mix(in srgb, var(" + (share < 0 ? "--against" : "--for") + ") " + strength + "%, transparent)";
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
const largest = (values) => Math.max(1e-12, ...values.map(Math.abs));

function makeTabs(id, names, onChoose) {
  const choose = (key) => {
    for (const button of byId(id).children) button.setAttribute("aria-pressed", String(button.dataset.key === key));
    onChoose(key);
  };
  for (const [key, name] of names) {
    const button = element("button", "", name);
    button.dataset.key = key;
    button.addEventListener("click", () => choose(key));
    byId(id).append(button);
  }
  choose(names[0][0]);
}

function showAttribution() {
  let values = [];
  let show = signed;
  const spans = fillText(byId("attributed"), tokens, (name, at) => {
    joinWord(spans, tokens, at, name !== "pointerleave");
    if (name === "pointerleave") return;
    const pieces = wordPieces(at);
    const total = element("b", "", wordText(at) + " " + show(sum(pieces.map((piece) => values[piece]))));
    const parts = pieces.map((piece) => tokens[piece].token + " " + show(values[piece])).join(" · ");
    byId("attributed-readout").replaceChildren(total, pieces.length > 1 ? " = " + parts : "");
  });
  for (const at of data.positions) spans[at].classList.add("chosen");
  makeTabs("methods", Object.entries(methods).map(([key, [name]]) => [key, name]), (key) => {
    values = data.methods[key];
    show = key === "rollout" ? (value) => value.toFixed(3) : signed;
    const most = largest(values);
    spans.forEach((span, at) => { span.style.background = shade(values[at] / most); });
    byId("method-note").textContent = methods[key][1];
    byId("attributed-readout").textContent = "";
    byId("bars").replaceChildren(...wordBars(values, show));
  });
}

/** The words that count most. */
function wordBars(values, show) {
  const firsts = tokens.map((_, at) => at).filter((at) => at === 0 || tokens[at - 1].word !== tokens[at].word);
  const words = firsts.map((at) => ({ name: wordText(at), value: sum(wordPieces(at).map((piece) => values[piece])) }));
  words.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const most = largest(words.map(({ value }) => value));
  return words.slice(0, 8).map(({ name, value }) => {
    const row = element("li", "", "");
    const track = element("span", "track", "");
    const fill = element("span", "fill", "");
    fill.style.width = (Math.abs(value) / most) * 100 + "%";
    fill.style.background = "var(" + (value < 0 ? "--against" : "--for") + ")";
    track.append(fill);
    row.append(element("span", "name", name), element("span", "number", show(value)), track);
    return row;
  });
}

if (data.methods) showAttribution();
`;
