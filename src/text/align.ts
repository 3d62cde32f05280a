/** Which part of an original text each character of its normalised form stands for. */

/** A text and, for each of its UTF-16 units, the span [start, end) of the original text it stands for. */
export interface AlignedText {
  text: string;
  starts: number[];
  ends: number[];
}

/** Adds `text`, every unit of which stands for the original's [start, end). */
export function appendAligned(aligned: AlignedText, text: string, start: number, end: number): void {
  aligned.text += text;
  for (let i = 0; i < text.length; i++) {
    aligned.starts.push(start);
    aligned.ends.push(end);
  }
}

/** A base character with its combining marks, or marks without a base. */
const cluster = /\P{M}\p{M}*|\p{M}+/gsu;
const blank = /^[\s\u2581]*$/u; // U+2581 stands for a space in SentencePiece vocabularies

/**
 * Aligns `normalize(text)` with `text`. Exact where normalising cluster by cluster gives the same string (lower-casing,
 * accents, the Unicode forms), or the same but for blanks (trimming, collapsed spaces); otherwise clusters are paired
 * in order.
 */
export function alignNormalized(text: string, normalize: (text: string) => string): AlignedText {
  const whole = normalize(text);
  const aligned: AlignedText = { text: "", starts: [], ends: [] };
  for (const { 0: part, index } of text.matchAll(cluster)) {
    appendAligned(aligned, normalize(part), index, index + part.length);
  }
  return aligned.text === whole ? aligned : (alignButBlanks(aligned, whole) ?? pairClusters(text, whole));
}

/** Aligns `whole` with what differs from it by inserted and deleted blanks alone; `undefined` where more differs. */
function alignButBlanks({ text, starts, ends }: AlignedText, whole: string): AlignedText | undefined {
  const aligned: AlignedText = { text: "", starts: [], ends: [] };
  let at = 0;
  for (const unit of whole) {
    while (at < text.length && !text.startsWith(unit, at) && blank.test(text[at]!)) at++;
    const isFound = at < text.length && text.startsWith(unit, at);
    if (!isFound && !blank.test(unit)) return undefined;
    const start = starts[at] ?? ends.at(-1) ?? 0;
    appendAligned(aligned, unit, start, isFound ? ends[at]! : start);
    if (isFound) at += unit.length;
  }
  return blank.test(text.slice(at)) ? aligned : undefined;
}

/** Pairs clusters in order: blanks on one side alone are insertions or deletions, all else is a substitution. */
function pairClusters(original: string, normalized: string): AlignedText {
  const aligned: AlignedText = { text: "", starts: [], ends: [] };
  const from = [...original.matchAll(cluster)];
  let next = 0;
  for (const { 0: target } of normalized.matchAll(cluster)) {
    if (!blank.test(target)) while (next < from.length && blank.test(from[next]![0])) next++;
    const source = from[next];
    const start = source?.index ?? original.length;
    const isInserted = !source || (blank.test(target) && !blank.test(source[0]));
    appendAligned(aligned, target, start, isInserted ? start : start + source[0].length);
    if (!isInserted) next++;
  }
  return aligned;
}
