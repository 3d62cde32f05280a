/**
 * Accuracy of answers to questions about pictures, each asked to several people.
 * Antol et al. 2015, https://arxiv.org/abs/1505.00468, with the normalisation of https://visualqa.org/evaluation.html
 */

import { ConfigError } from "../../errors.ts";

/**
 * An answer that three people gave is right: min(n / 3, 1), averaged over the people left out one at a time. An answer
 * that one person alone was asked for is right or wrong.
 * @throws ConfigError for a question without an answer.
 */
export function vqaAccuracy(answer: string, truths: readonly string[]): number {
  if (truths.length === 0) throw new ConfigError("VQA accuracy: each question must have an answer, got none");
  const given = normaliseVqaAnswer(answer);
  const matches = truths.map((truth) => normaliseVqaAnswer(truth) === given);
  const count = matches.filter((match) => match).length;
  if (truths.length === 1) return count;
  const withoutOne = matches.map((match) => Math.min((count - Number(match)) / 3, 1));
  return withoutOne.reduce((sum, value) => sum + value, 0) / truths.length;
}

/** Lower case, without punctuation and articles, number words as digits, contractions with their apostrophes. */
export function normaliseVqaAnswer(answer: string): string {
  const words = withoutPunctuation(answer.replace(/[\n\t]/g, " ").trim())
    .toLowerCase()
    .split(/\s+/)
    .map((word) => digits.get(word) ?? word)
    .filter((word) => word !== "" && !articles.has(word));
  return words.map((word) => contractions.get(word.replaceAll("'", "")) ?? word).join(" ");
}

const articles = new Set(["a", "an", "the"]);

const digits = new Map(
  ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"].map(
    (word, value) => [word, String(value)],
  ),
).set("none", "0");

/** Apostrophes and colons are none of it. */
const punctuation = [...';/[]"{}()=+\\_-><@`,?!'];

/**
 * Punctuation beside a space goes, and so does all of it where a comma stands between digits; else it becomes a space.
 * A full stop goes unless a digit follows.
 */
function withoutPunctuation(text: string): string {
  const hasCommaInNumber = /\d,\d/.test(text);
  const cleaned = punctuation.reduce((result, mark) => {
    const isBesideSpace = text.includes(`${mark} `) || text.includes(` ${mark}`);
    return result.replaceAll(mark, isBesideSpace || hasCommaInNumber ? "" : " ");
  }, text);
  return cleaned.replace(/\.(?!\d)/g, "");
}

/** Contractions that lost their apostrophe. Those that are words without it ("were", "well", "its", "hell") stay. */
const contractions = new Map(
  [
    "ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's",
    "isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've",
    "shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're",
    "there's they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd",
    "where's where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're",
    "you've couldn't've hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've",
    "something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'd've y'all'll you'd've",
  ]
    .flatMap((line) => line.split(" "))
    .map((word) => [word.replaceAll("'", ""), word]),
);
