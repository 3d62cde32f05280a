/** `quantization_config` of a variant: which weights are integers, and over what range their inputs are. */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { QuantizationPlan } from "../graph/passes/quantize.ts";
import type { ConfigJson } from "./config.ts";

/** Tells our own checkpoints of integers from those of others. */
const quantMethod = "tesserae";

const axisSchema = z.union([z.literal(0), z.literal(1)]);

const int8Schema = z.strictObject({
  kind: z.literal("int8"),
  axis: axisSchema,
  isTransposed: z.boolean(),
  input: z.strictObject({ scale: z.number().positive(), zeroPoint: z.int().min(0).max(255) }).optional(),
});

const blocksSchema = z.strictObject({
  kind: z.literal("blocks"),
  axis: axisSchema,
  bits: z.union([z.literal(4), z.literal(8)]),
  blockSize: z.int().min(16),
});

const planSchema = z.strictObject({
  quant_method: z.literal(quantMethod),
  form: z.enum(["fused", "qdq"]).optional(),
  weightBits: z.union([z.literal(7), z.literal(8)]).optional(),
  weights: z.record(z.string(), z.discriminatedUnion("kind", [int8Schema, blocksSchema])),
});

/** The field of config.json for a plan. */
export const quantizationConfig = (plan: QuantizationPlan): ConfigJson => ({
  quantization_config: { quant_method: quantMethod, ...plan },
});

/** The plan of a config that has one of ours. @throws ConfigError when it does not hold. */
export function quantizationOf(
  { quantization_config: given }: ConfigJson,
  where: string,
): QuantizationPlan | undefined {
  if (typeof given !== "object" || given === null || !("quant_method" in given)) return undefined;
  if (given.quant_method !== quantMethod) return undefined;
  const { data, error } = planSchema.safeParse(given);
  if (!data) throw new ConfigError(`${where}: quantization_config: ${z.prettifyError(error)}`);
  const { quant_method: _, ...plan } = data;
  return plan;
}
