/**
 * The part of the page's script that goes first: requests with the API key, where the server wants one. The key is kept in the
 * tab's session storage and sent as `Authorization: Bearer`.
 */

export const keyScript = `
"use strict";
const byId = (id) => document.getElementById(id);
const keyName = "tesserae-key";

/** Asks for a key when the server does not take the one there is, or there is none. */
async function fetchWithKey(url, { headers, ...options }) {
  const key = sessionStorage.getItem(keyName);
  const answer = await fetch(url, { ...options, headers: key ? { ...headers, authorization: "Bearer " + key } : headers });
  if (isRefused(answer)) await askForKey(answer.clone(), key);
  else if (answer.ok) byId("key-form").hidden = true;
  return answer;
}

function isRefused({ status }) {
  return status === 401 || status === 403;
}

async function askForKey(answer, key) {
  byId("key-form").hidden = false;
  byId("key-error").hidden = key === null;
  byId("key-error").textContent = key === null ? "" : refusalOf(answer, await answer.json());
  byId("key").focus();
}

function keepKey() {
  sessionStorage.setItem(keyName, byId("key").value.trim());
  byId("key").value = "";
}

/** What a refusal means for the person who asked. */
function refusalOf(answer, { detail }) {
  const seconds = answer.headers.get("retry-after");
  if (answer.status === 401) return "Not let in: " + detail + ".";
  if (answer.status === 403) return "Not allowed: " + detail + ".";
  if (answer.status === 429) return "Too much at once: " + detail + (seconds ? " (after " + seconds + " s)." : ".");
  return detail;
}
`;
