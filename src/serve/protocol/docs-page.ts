/** The page at `/docs`: every route of `/openapi.json` with its schemas. Nothing is loaded from elsewhere. */

import type { FastifyInstance } from "fastify";
import { htmlPage, sendPage } from "../html-page.ts";
import { pageStyle } from "../page-style.ts";

const style = `${pageStyle}
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
summary code { font-weight: 600; }
h3 { font-size: .9rem; margin: .75rem 0 .25rem; }
`;

const script = `
"use strict";
const byId = (id) => document.getElementById(id);

function element(name, text, ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

async function show() {
  const api = await (await fetch("/openapi.json")).json();
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(methods)) {
      const [tag] = operation.tags;
      groups.set(tag, [...(groups.get(tag) || []), drawOperation(method, path, operation)]);
    }
  for (const [tag, drawn] of groups) byId("routes").append(element("section", "", element("h2", tag), ...drawn));
  byId("version").textContent = api.info.title + " " + api.info.version;
}

function drawOperation(method, path, operation) {
  const title = element("summary", "", element("code", method.toUpperCase() + " " + path), " " + operation.summary);
  const drawn = element("details", "", title);
  const headers = operation.parameters.filter((parameter) => parameter.in === "header");
  for (const { name, description } of headers) drawn.append(element("p", name + ": " + description));
  drawTypes(drawn, "Request", operation.requestBody && operation.requestBody.content);
  drawTypes(drawn, "Answer", operation.responses[200].content);
  return drawn;
}

function drawTypes(drawn, title, types) {
  for (const [type, content] of Object.entries(types || {}))
    drawn.append(element("h3", title + ", " + type), element("pre", JSON.stringify(content.schema, null, 1)));
}

show();
`;

const page = htmlPage({
  title: "Tesserae: HTTP",
  style,
  script,
  body: `<header><span class="mark" aria-hidden="true"></span><h1>HTTP</h1><p id="version"></p></header>
<main id="routes"></main>
<footer><a href="/openapi.json">openapi.json</a> <a href="/">try a model</a></footer>
<noscript><p>This page needs JavaScript; /openapi.json does not.</p></noscript>`,
});

export const addDocsPage = (server: FastifyInstance): void =>
  void server.get("/docs", async (_, reply) => sendPage(reply, page));
