import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, writeTinyMatcher } from "../../test/support/tiny-images.ts";
import { input } from "../graph/node.ts";
import { substitute } from "../graph/passes/rewrite.ts";
import { usedGraph } from "../models/trace.ts";
import { openImageSource, readPicture } from "../tasks/image-input.ts";
import { Tensor } from "../tensor/tensor.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { ImagePreprocessor } from "../vision/preprocess.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { crossAttention } from "./cross-attention.ts";
import { type PairHalves, pairHalves } from "./pair-halves.ts";
import { idsTensor } from "./pair-reading.ts";
import { ModelRunner } from "./runner.ts";

const folder = useTemporaryFolder();
const ids = [2, 10, 30, 3];
let runner: ModelRunner;
let halves: PairHalves;
let seen: Tensor;

beforeAll(async () => {
  const path = await writeTinyMatcher(join(folder, "matcher"));
  runner = await ModelRunner.open(path, { provider: "cpu", threads: 1 });
  halves = pairHalves(runner, ids.length);
  const preprocessor = new ImagePreprocessor(await readPreprocessor(path));
  const picture = await readPicture(await pngOf(16, 3), new ImageDecoder(), openImageSource);
  const graph = usedGraph({ seen: halves.seen }, [halves.pixels], halves.names);
  const [outputs] = await runner.run(graph, [{ pixel_values: preprocessor.batch([picture]) }]);
  seen = outputs!.seen!;
});

const looks = () =>
  crossAttention({ runner, model: halves.text, scored: "score", ids, shared: { seen } }, [
    { point: [0], tokens: [0, 1, 2, 3] },
  ]);

describe("cross-attention of a text to a picture", () => {
  test("adds up to 1 for every token", async () => {
    for (const { attention } of await looks()) {
      expect(attention[0]).toHaveLength(5);
      expect(attention[0]!.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
    }
  });

  test("is weighted by what the score gains where attention rises, as small steps find too", async () => {
    const name = "cross_attentions.0";
    const map = halves.text.outputs[name]!;
    const given = input("given", map.dtype, map.shape);
    const [score] = substitute([halves.text.outputs.score!], new Map([[map, given]]));
    const plain = usedGraph({ map }, halves.text.inputs, halves.names);
    const [outputs] = await runner.run(plain, [{ seen, input_ids: idsTensor([ids]) }]);
    const probabilities = outputs!.map!;
    const [, heads, , sources] = probabilities.shape as [number, number, number, number];
    const step = 1e-2;
    const moved = (at: number, by: number): Tensor => {
      const data = Float32Array.from(probabilities.data as Float32Array);
      data[at]! += by;
      return new Tensor("float32", probabilities.shape, data);
    };
    const token = 0; // the one that the classifier reads
    const places = Array.from(
      { length: heads * sources },
      (_, at) => Math.floor(at / sources) * ids.length * sources + token * sources + (at % sources),
    );
    const feeds = places.flatMap((at) =>
      [step, -step].map((by) => ({ seen, input_ids: idsTensor([ids]), given: moved(at, by) })),
    );
    const graph = usedGraph({ score: score! }, [...halves.text.inputs, given], halves.names);
    const scores = (await runner.run(graph, feeds)).map(({ score: value }) => Number(value!.data[0]));
    const expected = new Array<number>(sources).fill(0);
    for (const [at, place] of places.entries()) {
      const slope = (scores[2 * at]! - scores[2 * at + 1]!) / (2 * step);
      expected[at % sources]! += (Number(probabilities.data[place]) * Math.max(0, slope)) / heads;
    }
    const [first] = await looks();
    expect(Math.max(...expected)).toBeGreaterThan(1e-3);
    expect(first!.weighted[0]).toEqual(expected.map((value) => expect.closeTo(value, 3)));
  });
});
