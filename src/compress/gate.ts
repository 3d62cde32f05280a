/**
 * The numeric gate: a variant must reproduce its golden outputs on this machine and provider before it answers anyone.
 */

import { join } from "node:path";
import { ConfigError, RuntimeFailure } from "../errors.ts";
import { modelFile } from "../models/open.ts";
import { quantizationOf } from "../models/quantization.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { Session, SessionOptions } from "../runtime/session.ts";
import { hashFile } from "../store/manifest.ts";
import { type StoredVariant, variantAt } from "../store/variants.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { weightsFile } from "../weights/checkpoint.ts";
import { hasIntegerDotProducts } from "./cpu.ts";
import { largestDifference } from "./difference.ts";
import { goldenFile, readGolden } from "./golden.ts";

/**
 * Checks that a variant's files are those it was made of, and that `session`, which serves it, gives its golden outputs.
 * Of a session with other outputs than the golden ones, those that both have are compared.
 * @throws RuntimeFailure that names the output, its difference and the tolerance; ConfigError for a damaged variant.
 */
export async function checkGolden(variantFolder: string, session: Session): Promise<void> {
  const variant = await variantAt(variantFolder);
  if (!variant)
    throw new ConfigError(`${variantFolder}: is not a variant's folder, so it has no golden outputs`);
  checkCpu(variant, session);
  await checkFiles(variant);
  const batches = await readGolden(variantFolder);
  let compared = 0;
  for (const [at, batch] of batches.entries()) {
    const names = session.outputs.map(({ name }) => name).filter((name) => name in batch.outputs);
    const actual = names.length > 0 ? await session.run(batch.inputs, names) : {};
    for (const name of names)
      checkOutput(variant, session, { name, at }, actual[name]!, batch.outputs[name]!);
    compared += names.length;
  }
  if (compared > 0) return;
  throw new RuntimeFailure(
    `variant ${variant.name}: its session has none of the golden outputs; make it anew`,
  );
}

/**
 * The same for a variant whose serving session is not at hand, or generates: opens its `model.onnx` for the check alone.
 * @throws as `checkGolden`, and RuntimeFailure when it does not open here.
 */
export async function checkVariant(variantFolder: string, options: SessionOptions = {}): Promise<void> {
  const session = await OrtSession.open({ path: join(variantFolder, modelFile) }, options);
  try {
    await checkGolden(variantFolder, session);
  } finally {
    await session.release();
  }
}

function checkOutput(
  { name: variant, record: { tolerance } }: StoredVariant,
  { provider }: Session,
  { name, at }: { readonly name: string; readonly at: number },
  actual: Tensor,
  expected: Tensor,
): void {
  const difference = largestDifference(actual, expected);
  if (difference <= tolerance) return;
  throw new RuntimeFailure(
    `variant ${variant}: ${name} of golden batch ${at} is off by ${difference.toPrecision(3)} of its largest value ` +
      `on ${provider}, ${tolerance.toPrecision(3)} is allowed; serve the float model here`,
  );
}

function checkCpu({ name, record, folder }: StoredVariant, { provider }: Session): void {
  const { weightBits = 7 } = quantizationOf(record.config, folder) ?? {};
  if (weightBits === 7 || provider !== "cpu" || hasIntegerDotProducts()) return;
  throw new RuntimeFailure(
    `variant ${name}: its weights of 8 bits need a CPU with integer dot products (VNNI), which this one lacks; ` +
      "quantize it with weights of 7 bits, or serve the float model here",
  );
}

async function checkFiles({ name, folder, record }: StoredVariant): Promise<void> {
  for (const file of [modelFile, weightsFile, goldenFile]) {
    const known = record.files[file];
    const actual = known && (await hashFile(join(folder, file)).catch(() => undefined));
    if (known && actual?.sha256 !== known.sha256)
      throw new RuntimeFailure(
        `variant ${name}: ${file} is not as it was made; remove the variant and make it anew`,
      );
  }
}
