/** Cases of one image model at several sizes: inputs `pixel_values.48x48`, outputs `last_hidden_state.48x48`. */

import type { CaseRunner, ParityCase, Tensors } from "./case.ts";
import { runModel } from "./models.ts";

const prefix = "pixel_values.";

/** How each way of resampling positions marks its outputs. */
const marks = { scale_factor: "", exact_size: "_exact_size" } as const;

export const isOfSeveralSizes = (inputs: Tensors): boolean =>
  [...inputs.keys()].some((name) => name.startsWith(prefix));

/** Runs the model once for every size and every way of resampling positions. */
export const runImageSizes: CaseRunner = async (parityCase) => {
  const results = new Map();
  for (const [name, pixels] of parityCase.inputs) {
    for (const [interpolation, mark] of Object.entries(marks)) {
      const ending = `${mark}.${name.slice(prefix.length)}`;
      const outputs = await runModel(
        caseOf(parityCase, interpolation, ending, new Map([["pixel_values", pixels]])),
      );
      for (const [output, value] of outputs) results.set(`${output}${ending}`, value);
    }
  }
  return results;
};

/** One size of the case: its outputs without their ending. */
function caseOf(parityCase: ParityCase, interpolation: string, ending: string, inputs: Tensors): ParityCase {
  const expected = [...parityCase.expected]
    .filter(([name]) => name.endsWith(ending))
    .map(([name, value]) => [name.slice(0, -ending.length), value] as const);
  const params = { ...parityCase.params, position_interpolation: interpolation };
  return { ...parityCase, params, inputs, expected: new Map(expected) };
}
