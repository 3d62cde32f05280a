import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { tinyTokenizer } from "../../test/support/tiny-model.ts";
import type { QuestionExample } from "../data/examples.ts";
import { readExamples } from "../data/read-examples.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ScoredDataset } from "./dataset.ts";
import { questionData } from "./question-answering.ts";

const tokenizer = tinyTokenizer();
const filler = (words: number): string => Array.from({ length: words }, () => "river").join(" ");

const example = (id: string, context: string, answer?: string): QuestionExample => ({
  id,
  question: "who ran?",
  context,
  answers: answer === undefined ? [] : [{ text: answer, answerStart: context.indexOf(answer) }],
});

const datasetOf = (
  examples: QuestionExample[],
  maxLength: number,
  tokens: Tokenizer = tokenizer,
): ScoredDataset => questionData.datasetOf(examples, {}, { tokenizer: tokens, maxLength, seed: 0 });

/** Ids and answer positions of every window, at the longest length. */
function windowsOf(dataset: ScoredDataset): { ids: number[]; start: number; end: number }[] {
  const indices = [...dataset.lengths.keys()];
  const length = Math.max(...dataset.lengths);
  const batch = dataset.collate(indices, length, new Random(0));
  const [ids, starts, ends] = ["input_ids", "start_positions", "end_positions"].map((name) =>
    batch[name]!.toNumbers(),
  );
  return indices.map((at) => ({
    ids: ids!.slice(at * length, (at + 1) * length),
    start: starts![at]!,
    end: ends![at]!,
  }));
}

describe("question answering data", () => {
  test("every window that holds the whole answer asks for it, every other for none", () => {
    const windows = windowsOf(
      datasetOf([example("long", `${filler(60)} mary smith ${filler(60)}`, "mary smith")], 32),
    );
    const [mary, smith] = ["mary", "smith"].map((word) => tokenizer.tokenToId(word)!);
    expect(windows.length).toBeGreaterThan(5);
    for (const { ids, start, end } of windows) {
      const at = ids.indexOf(mary!);
      const isWhole = at >= 0 && ids[at + 1] === smith;
      expect([start, end]).toEqual(isWhole ? [at, at + 1] : [0, 0]);
    }
    expect(windows.some(({ start }) => start > 0)).toBe(true);
  });

  test("the answer of the window with the higher logits counts, though another window is surer of its own", () => {
    const dataset = datasetOf([example("a", `mary ran . ${filler(30)} john`, "john")], 24);
    const windows = windowsOf(dataset);
    const [first, last] = [0, windows.length - 1];
    const john = windows[last]!.ids.indexOf(tokenizer.tokenToId("john")!);
    const mary = windows[first]!.ids.indexOf(tokenizer.tokenToId("mary")!);
    expect(Math.min(john, mary)).toBeGreaterThan(0);
    const length = Math.max(...dataset.lengths);
    // The first window is certain of "mary" at 3 against −10; the last gives "john" 5, but all else 4.
    const logits = Tensor.from(
      "float32",
      [windows.length, length],
      windows.flatMap((_, row) =>
        Array.from({ length }, (_, at) => {
          if (row === first) return at === mary ? 3 : -10;
          return row === last ? (at === john ? 5 : 4) : -20;
        }),
      ),
    );
    const evaluator = dataset.evaluator();
    evaluator.add({ start_logits: logits, end_logits: logits }, [...windows.keys()]);
    expect(evaluator.result()).toEqual({ exact_match: 1, f1: 1 });
  });

  test("no answer is as likely as in the window where it is least so", () => {
    const dataset = datasetOf(
      [example("a", `mary ran . ${filler(40)}`, "mary"), example("b", "john lives .")],
      24,
    );
    const windows = windowsOf(dataset);
    const length = Math.max(...dataset.lengths);
    const mary = windows[0]!.ids.indexOf(tokenizer.tokenToId("mary")!);
    // "No answer" has 9 in every window but the one with the answer, where it has 1 and "mary" 2.
    const row = (at: number): number[] =>
      Array.from({ length }, (_, column) =>
        column === 0 ? (at === 0 ? 1 : 9) : at === 0 && column === mary ? 2 : 0,
      );
    const logits = Tensor.from(
      "float32",
      [windows.length, length],
      windows.flatMap((_, at) => row(at)),
    );
    const evaluator = dataset.evaluator();
    evaluator.add({ start_logits: logits, end_logits: logits }, [...windows.keys()]);
    expect(evaluator.result()).toMatchObject({ exact_match: 1, f1_answerable: 1, accuracy_unanswerable: 1 });
  });
});

const data = fileURLToPath(new URL("../../../shared/data", import.meta.url));

describe.skipIf(!existsSync(`${data}/squad`))("real questions (data beside the repository)", () => {
  test.each([
    ["squad/dev-v1.1.json.gz", "bert-base-uncased", 0.985],
    ["cmrc2018/cmrc2018_dev.json.gz", "bert-base-chinese", 0.985],
  ])("%s: the tokens that are asked for spell the answers", async (file, vocabulary, share) => {
    const tokens = await loadTokenizer(`${data}/vocab/${vocabulary}`);
    const { examples, badRows } = await readExamples("question-answering", `${data}/${file}`);
    expect(badRows).toEqual([]);
    const some = examples.filter((_, at) => at % 10 === 0);
    const dataset = datasetOf(some, 384, tokens);
    const windows = windowsOf(dataset);
    const length = Math.max(...dataset.lengths);
    const peaks = (side: "start" | "end"): Tensor => {
      const logits = Tensor.zeros("float32", [windows.length, length]);
      for (const [row, window] of windows.entries())
        if (window.start > 0) logits.data[row * length + window[side]] = 9;
      return logits;
    };
    const evaluator = dataset.evaluator();
    evaluator.add({ start_logits: peaks("start"), end_logits: peaks("end") }, [...windows.keys()]);
    expect(evaluator.result().exact_match).toBeGreaterThan(share);
  });
});
