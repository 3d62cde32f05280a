/** What cases expect of models that exit early: for every patience, where each text leaves and what it is answered. */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { exitRuleOf } from "../models/early-exit.ts";
import { encodeStages } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { StagedSession } from "../runtime/staged-session.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { CaseRunner, ParityCase } from "./case.ts";
import { runModel } from "./models.ts";

const optionsSchema = z.object({
  patience: z.array(z.number().int().min(0)).optional(),
  regression_threshold: z.number().positive().optional(),
});

/** What a batch is answered under one patience. */
interface Exits {
  readonly layers: number[];
  readonly logits: Tensor; // [B, C]
}

/** `exit_layer` and `exit_prediction` [P, B] and `exit_logits` [P, B, C] for P patiences; nothing where none is given. */
export const runEarlyExit: CaseRunner = async (parityCase) => {
  const parsed = optionsSchema.safeParse(parityCase.options);
  if (!parsed.success)
    throw new ConfigError(`${parityCase.name}: options: ${parsed.error.issues[0]!.message}`);
  const { patience: patiences = [], regression_threshold } = parsed.data;
  if (patiences.length === 0) return new Map();
  const { config } = parityCase;
  const given = regression_threshold
    ? { ...config, pabee_regression_threshold: regression_threshold }
    : config;
  const exits: Exits[] = [];
  for (const patience of patiences) exits.push(await exitsOf({ ...parityCase, config: given }, patience));
  const [batch, numLabels] = exits[0]!.logits.shape as [number, number];
  const shape = [patiences.length, batch];
  const logits = exits.flatMap((exit) => exit.logits.toNumbers());
  const predictions =
    numLabels === 1
      ? Tensor.from("float32", shape, logits)
      : Tensor.from(
          "int64",
          shape,
          rowsOf(logits, numLabels).map((row) => row.indexOf(Math.max(...row))),
        );
  return new Map([
    [
      "exit_layer",
      Tensor.from(
        "int64",
        shape,
        exits.flatMap(({ layers }) => layers),
      ),
    ],
    ["exit_logits", Tensor.from("float32", [...shape, numLabels], logits)],
    ["exit_prediction", predictions],
  ]);
};

const rowsOf = (values: readonly number[], width: number): number[][] =>
  Array.from({ length: values.length / width }, (_, row) => values.slice(row * width, (row + 1) * width));

/** The whole batch at once: rows leave it one by one. */
async function exitsOf(parityCase: ParityCase, patience: number): Promise<Exits> {
  const { config, folder, inputs, name } = parityCase;
  const exit = exitRuleOf(architectureOf(config, name), config, patience);
  if (!exit) return allLayers(parityCase);
  const session = await StagedSession.open(await encodeStages(folder, exit));
  try {
    const feeds = session.inputs.map((input) => [input.name, inputs.get(input.name)!]);
    const { logits, exit_layer } = await session.run(Object.fromEntries(feeds));
    return { layers: exit_layer!.toNumbers(), logits: logits! };
  } finally {
    await session.release();
  }
}

/** The last layer's logits are among those of the whole model. */
async function allLayers(parityCase: ParityCase): Promise<Exits> {
  const outputs = await runModel(parityCase);
  const depth = [...outputs.keys()].filter((name) => name.startsWith("layer_logits.")).length;
  const logits = outputs.get(`layer_logits.${depth - 1}`)!;
  return { layers: new Array(logits.shape[0]!).fill(depth), logits };
}
