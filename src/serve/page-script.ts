/** The script of the page behind `keyScript`: fills the list of models, asks, and draws scores as bars. */

export const pageScript = `
const examples = {
  "text-classification": "A film that stays with you.",
  "token-classification": "Ada Lovelace worked in London.",
  "question-answering": "Who wrote the notes?",
  "fill-mask": "The capital of France is [MASK].",
  "feature-extraction": "A film that stays with you.",
};
const exampleContext = "Ada Lovelace wrote the notes on the Analytical Engine in 1843.";
let models = [];

async function loadModels() {
  const answer = await fetchWithKey("/v1/models", {});
  if (isRefused(answer)) return;
  if (!answer.ok) return showAnswer(undefined, refusalOf(answer, await answer.json()), 0);
  models = (await answer.json()).data;
  byId("empty").hidden = models.length > 0;
  byId("form").hidden = models.length === 0;
  byId("model").replaceChildren(...models.map((model) => new Option(model.ref, model.ref)));
  const first = models.find((model) => model.state === "ready");
  if (first) byId("model").value = first.ref;
  showModel();
}

function chosen() {
  return models.find((model) => model.ref === byId("model").value);
}

function showModel() {
  const model = chosen();
  if (!model) return;
  const metrics = Object.entries(model.metrics || {}).map(([name, value]) => name + " " + Number(value.toPrecision(4)));
  byId("about").textContent = [model.task, ...metrics].filter(Boolean).join(" · ");
  const isQuestion = model.task === "question-answering";
  byId("context-field").hidden = !isQuestion;
  byId("picture-field").hidden = !isOfPictures(model);
  byId("picture").required = isOfPictures(model);
  byId("text-field").hidden = isOfPictures(model);
  byId("text").required = !isOfPictures(model);
  byId("text-label").textContent = isQuestion ? "Question" : "Text";
  const shown = Object.values(examples);
  const text = byId("text");
  if (text.value === "" || shown.includes(text.value)) text.value = examples[model.task] || shown[0];
  if (byId("context").value === "") byId("context").value = exampleContext;
}

function isOfPictures(model) {
  return /^(image-|masked-image)/.test(model.task || "");
}

/** Content type and body of a request. */
function questionTo(model) {
  const picture = byId("picture").files[0];
  if (isOfPictures(model) && picture) return [picture.type || "application/octet-stream", picture];
  const text = byId("text").value;
  const isQuestion = model.task === "question-answering";
  const inputs = isQuestion ? { question: text, context: byId("context").value } : text;
  const parameters = model.task === "text-classification" ? { top_k: 10 } : {};
  return ["application/json", JSON.stringify({ inputs, parameters })];
}

async function ask(event) {
  event.preventDefault();
  const model = chosen();
  const [type, question] = questionTo(model);
  byId("ask").disabled = true;
  const start = performance.now();
  try {
    const answer = await fetchWithKey("/v1/predict/" + encodeURIComponent(model.ref), {
      method: "POST",
      headers: { "content-type": type },
      body: question,
    });
    const body = await answer.json();
    showAnswer(answer.ok ? body : undefined, answer.ok ? "" : refusalOf(answer, body), performance.now() - start);
  } catch {
    showAnswer(undefined, "The server does not answer; is it still running?", performance.now() - start);
  } finally {
    byId("ask").disabled = false;
  }
}

function showAnswer(result, error, durationMs) {
  byId("answer").hidden = false;
  byId("error").hidden = !error;
  byId("error").textContent = error;
  const rows = scoresOf(result);
  byId("bars").replaceChildren(...rows.map(drawBar));
  const painted = result && typeof result.image === "string" ? result.image : "";
  byId("painted").hidden = painted === "";
  byId("painted").src = "data:image/png;base64," + painted;
  byId("raw").hidden = error !== "" || rows.length > 0 || painted !== "";
  byId("raw").textContent = JSON.stringify(result, null, 1) || "";
  byId("time").textContent = error ? "" : Math.round(durationMs) + " ms";
}

function scoresOf(result) {
  const items = (Array.isArray(result) ? result.flat() : [result]).filter((item) => item && typeof item.score === "number");
  return items.map((item) => ({ name: nameOf(item), score: item.score }));
}

function nameOf(item) {
  const tag = item.entity_group || item.entity;
  if (tag) return item.word + " (" + tag + ")";
  return String(item.label ?? item.answer ?? item.sequence ?? item.token_str ?? "");
}

function drawBar({ name, score }) {
  const row = document.createElement("li");
  const fill = document.createElement("span");
  fill.className = "fill";
  fill.style.width = Math.max(0, Math.min(1, score)) * 100 + "%";
  row.append(fill, span("name", name || "(empty)"), span("score", score.toFixed(3)));
  return row;
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

byId("form").addEventListener("submit", ask);
byId("model").addEventListener("change", showModel);
byId("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("form").requestSubmit();
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey();
  loadModels();
});
loadModels();
`;
