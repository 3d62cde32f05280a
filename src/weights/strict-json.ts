/** JSON without what `JSON.parse` lets pass: keys that appear twice, and integers written as `1.0` or `1e3`. */

/** Files we read nest no deeper; the limit bounds time and memory on hostile input. */
const maxDepth = 16;

const codeOf = (character: string): number => character.charCodeAt(0);
const quote = codeOf('"');
const backslash = codeOf("\\");
const openBrace = codeOf("{");
const closeBrace = codeOf("}");
const openBracket = codeOf("[");
const closeBracket = codeOf("]");
const colon = codeOf(":");
const space = codeOf(" ");
const fractionMarks = new Set([".", "-", "+"].map(codeOf));
const exponentMarks = new Set(["e", "E"].map(codeOf));

/**
 * Parses `text` and refuses duplicate keys at every level; `integersOnly` also refuses every number that is not
 * plain digits. @throws SyntaxError
 */
export function parseStrictJson(text: string, { integersOnly = false } = {}): unknown {
  scan(text, integersOnly); // first: JSON.parse takes half a minute and 3 GB for 100 MB of nested arrays
  return JSON.parse(text);
}

function scan(text: string, integersOnly: boolean): void {
  const open: (Set<string> | undefined)[] = []; // the keys of an object, nothing for an array
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      const end = endOfString(text, at);
      if (isFollowedByColon(text, end)) addKey(open.at(-1), text.slice(at, end));
      at = end - 1;
    } else if (code === openBrace || code === openBracket) {
      if (open.push(code === openBrace ? new Set() : undefined) > maxDepth) {
        throw new SyntaxError(`more than ${maxDepth} objects or arrays within each other at position ${at}`);
      }
    } else if (code === closeBrace || code === closeBracket) open.pop();
    else if (integersOnly && isFractionMark(text, at, code)) {
      throw new SyntaxError(`a number is not a non-negative integer in plain digits at position ${at}`);
    }
  }
}

/** The position after the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (let code = text.charCodeAt(at); code !== quote; code = text.charCodeAt(at)) {
    if (at >= text.length) throw new SyntaxError(`the string at position ${start} does not end`);
    at += code === backslash ? 2 : 1;
  }
  return at + 1;
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (text.charCodeAt(at) <= space) at++;
  return text.charCodeAt(at) === colon;
}

function addKey(keys: Set<string> | undefined, literal: string): void {
  const key: string = literal.includes("\\") ? JSON.parse(literal) : literal.slice(1, -1);
  if (keys?.has(key)) throw new SyntaxError(`the key ${literal.slice(0, 200)} appears twice`);
  keys?.add(key);
}

/** True at a sign, a decimal point, or an exponent's letter (which, unlike that of `true`, follows a digit). */
const isFractionMark = (text: string, at: number, code: number): boolean =>
  fractionMarks.has(code) || (exponentMarks.has(code) && isDigit(text.charCodeAt(at - 1)));

const isDigit = (code: number): boolean => code >= codeOf("0") && code <= codeOf("9");
