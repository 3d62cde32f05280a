/** The page at `/`: a person types a sentence, picks a model and sees its answer. One file, nothing loaded from elsewhere. */

import type { FastifyInstance } from "fastify";
import { htmlPage, sendPage } from "./html-page.ts";
import { keyScript } from "./page-key-script.ts";
import { pageScript } from "./page-script.ts";
import { pageStyle } from "./page-style.ts";

const page = htmlPage({
  title: "Tesserae",
  style: pageStyle,
  script: keyScript + pageScript,
  body: `<header><span class="mark" aria-hidden="true"></span><h1>Tesserae</h1><p>Ask a model</p></header>
<main>
<form id="key-form" hidden>
  <label for="key">API key</label>
  <input id="key" type="password" autocomplete="off" spellcheck="false" required aria-describedby="key-hint key-error">
  <p id="key-hint" class="hint">This server answers those who have one. It is kept until this tab is closed.</p>
  <p id="key-error" class="error" role="alert" hidden></p>
  <div class="row"><button>Use this key</button></div>
</form>
<form id="form" hidden>
  <label for="model">Model</label>
  <select id="model" required></select>
  <p id="about" class="hint"></p>
  <div id="text-field">
    <label for="text" id="text-label">Text</label>
    <textarea id="text" rows="3" required aria-describedby="keys">A film that stays with you.</textarea>
  </div>
  <div id="context-field" hidden>
    <label for="context">Context that holds the answer</label>
    <textarea id="context" rows="6"></textarea>
  </div>
  <div id="picture-field" hidden>
    <label for="picture">Picture</label>
    <input id="picture" type="file" accept="image/*">
  </div>
  <div class="row"><button id="ask">Ask</button><span id="keys" class="hint">Ctrl + Enter asks too</span></div>
</form>
<section id="empty" hidden>
  <h2>No models yet</h2>
  <p>Get one from the hub or train one, then reload this page:</p>
  <pre>tesserae pull org/name
tesserae train org/name --task text-classification --data reviews.csv --name reviews</pre>
</section>
<section aria-labelledby="answer-title" aria-live="polite" id="answer" hidden>
  <h2 id="answer-title">Answer</h2>
  <p id="error" class="error" role="alert" hidden></p>
  <ul id="bars"></ul>
  <img id="painted" alt="Original, what the model sees of it, and what it makes of that" hidden>
  <pre id="raw" tabindex="0" hidden></pre>
  <p id="time" class="hint"></p>
</section>
</main>
<footer><a href="/v1/models">models</a> <a href="/docs">HTTP</a> <a href="/health">health</a> <a href="/metrics">metrics</a></footer>
<noscript><p>This page needs JavaScript; POST /v1/predict/{model} does not.</p></noscript>`,
});

export const addPageRoute = (server: FastifyInstance): void =>
  void server.get("/", async (_, reply) => sendPage(reply, page));
