/**
 * Words of a caption as the COCO evaluation counts them: lower case, punctuation left out, contractions cut in two as in
 * the Penn Treebank. Chen et al. 2015, https://arxiv.org/abs/1504.00325; Marcus et al. 1993,
 * https://aclanthology.org/J93-2004
 */

/** Written on both sides of what is a word of its own, and read as a space. */
const apart = " $& ";

/** "don't" is do n't, "he's" is he 's, "cannot" is can not; ends of words only. */
const contractions: readonly (readonly [RegExp, string])[] = [
  [/(?<=\p{L})n't(?![\p{L}\p{N}])/gu, " n't"],
  [/(?<=[\p{L}\p{N}])'(?:s|m|d|re|ve|ll)(?![\p{L}\p{N}])/gu, " $&"],
  [/(?<![\p{L}\p{N}])(can)(not)(?![\p{L}\p{N}])/gu, "$1 $2"],
  [/(?<![\p{L}\p{N}])(gon|wan)(na)(?![\p{L}\p{N}])/gu, "$1 $2"],
  [/(?<![\p{L}\p{N}])(got)(ta)(?![\p{L}\p{N}])/gu, "$1 $2"],
];

/** Brackets have names in the treebank, which the evaluation keeps. */
const brackets: Readonly<Record<string, string>> = {
  "(": " -lrb- ",
  ")": " -rrb- ",
  "[": " -lsb- ",
  "]": " -rsb- ",
  "{": " -lcb- ",
  "}": " -rcb- ",
};

/** Punctuation that is left out; that between two digits ("1,000", "3.5", "10:30") stays, as do hyphens in words. */
const leftOut = [
  /[?!;`"“”„«»…]+/g,
  /-{2,}|[–—]/g,
  /(?<!\d)[,:]|[,:](?!\d)/g,
  /(?<![\p{L}\p{N}])-|-(?![\p{L}\p{N}])/gu,
];

/** Symbols that are words of their own. */
const symbols = /[#$%&@*+=<>|~^\\]/g;

/** A full stop ends a sentence, unless it is part of a number or of an abbreviation such as "u.s." or "mr.". */
const fullStop = /(?<!(?:^|[\s.])\p{L})(?<!(?:^|\s)(?:mr|mrs|ms|dr|st|jr|sr|vs))\.(?!\d)/gu;

export function captionWords(caption: string): string[] {
  let text = caption.toLowerCase().replace(/[‘’]/g, "'");
  for (const [pattern, replacement] of contractions) text = text.replace(pattern, replacement);
  for (const pattern of leftOut) text = text.replace(pattern, " ");
  text = text.replace(/[()[\]{}]/g, (bracket) => brackets[bracket]!).replace(symbols, apart);
  text = text.replace(fullStop, " ").replace(/(?<!\S)'+(?!(?:s|m|d|re|ve|ll)(?!\S))|'+(?!\S)/g, " ");
  return text.split(/\s+/).filter((word) => word !== "");
}
