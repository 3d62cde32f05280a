/** A prediction request's answer, shaped as `pipeline()` shapes its own, with plain arrays for tensors. */

import type { Features } from "../tasks/feature-extraction.ts";
import { FeatureTensor } from "../tasks/feature-tensor.ts";
import type { Predictor } from "../tasks/predictor.ts";

type Parameters = Readonly<Record<string, unknown>>;

/**
 * The answer to one input, or a list of answers to a list.
 * @throws RequestError when an input or a parameter is not valid.
 */
export async function answer(
  predictor: Predictor,
  inputs: unknown,
  parameters: Parameters,
): Promise<unknown> {
  const isList = Array.isArray(inputs);
  const results = await predictor.predict(isList ? inputs : [inputs], parameters);
  const { task } = predictor;
  if (task === "feature-extraction") return FeatureTensor.stack(results as Features[]).tolist();
  const isBestOnly = (parameters.top_k === undefined ? 1 : parameters.top_k) === 1;
  if (task === "text-classification" && isBestOnly) return results.flat();
  const shaped = task === "question-answering" && isBestOnly ? results.flat() : results;
  return isList ? shaped : shaped[0];
}
