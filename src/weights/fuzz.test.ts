import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { type Mutation, mutate } from "../../test/support/mutate.ts";
import { WeightError } from "../errors.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { parseSafetensors, readSafetensors, writeSafetensors } from "./safetensors.ts";

const mutationCount = Number(process.env.FUZZ_MUTATIONS ?? 2500);
const limitMs = 20_000;

const folder = useTemporaryFolder();
let valid: Uint8Array;

beforeAll(async () => {
  const path = join(folder, "valid.safetensors");
  const tensors = {
    "encoder.0.weight": Tensor.from("float32", [2, 3], [1, 2, 3, 4, 5, 6]),
    "encoder.0.bias": Tensor.from("float16", [3], [1, 2, 3]),
    ids: Tensor.from("int64", [1, 2], [7, 8]),
    mask: Tensor.from("bool", [3], [1, 0, 1]),
    empty: Tensor.from("float32", [0, 4], []),
  };
  await writeSafetensors(path, tensors, { format: "pt" });
  valid = new Uint8Array(await readFile(path));
});

const headerLength = (bytes: Uint8Array): number => Number(Buffer.from(bytes).readBigUInt64LE(0));

/** Half of the cases damage any byte; the other half damage the header and set its length right, to get further. */
function mutateFile(random: Random): Mutation {
  if (random.integer(2) === 0) return mutate(valid, random);
  const end = 8 + headerLength(valid);
  const { bytes: header, description } = mutate(valid.subarray(8, end), random);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  return {
    bytes: Buffer.concat([prefix, header, valid.subarray(end)]),
    description: `header: ${description}`,
  };
}

/** The tensors, or the error that was thrown. */
async function outcomeOf(load: () => Promise<Map<string, Tensor>> | Map<string, Tensor>): Promise<unknown> {
  try {
    return await load();
  } catch (error) {
    return error;
  }
}

/** A load is correct when each tensor's bytes are those that a plain reading of the header points to. */
function expectCorrect(tensors: Map<string, Tensor>, bytes: Uint8Array, description: string): void {
  const start = 8 + headerLength(bytes);
  const header = JSON.parse(Buffer.from(bytes.subarray(8, start)).toString());
  delete header.__metadata__;
  expect([...tensors.keys()].sort(), description).toEqual(Object.keys(header).sort());
  for (const [name, { dtype, shape, data_offsets: range }] of Object.entries<Record<string, unknown>>(
    header,
  )) {
    const { data, shape: loadedShape } = tensors.get(name)!;
    expect(loadedShape, description).toEqual(shape);
    if (dtype === "BF16" || String(dtype).startsWith("F8")) continue; // converted; tested elsewhere
    const [from, to] = range as [number, number];
    const loaded = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    expect(loaded.equals(bytes.subarray(start + from, start + to)), description).toBe(true);
  }
}

test(`${mutationCount} damaged files end in a WeightError or a correct load`, {
  timeout: 600_000,
}, async () => {
  const path = join(folder, "damaged.safetensors");
  let loads = 0;
  for (let seed = 0; seed < mutationCount; seed++) {
    const { bytes, description: change } = mutateFile(new Random(seed));
    const description = `seed ${seed}, ${change}`;
    await writeFile(path, bytes);
    const startMs = performance.now();
    const fromFile = await outcomeOf(() => readSafetensors(path));
    const inMemory = await outcomeOf(() => parseSafetensors(bytes).tensors);
    expect(performance.now() - startMs, description).toBeLessThan(limitMs);
    expect(inMemory, description).toEqual(fromFile instanceof Map ? fromFile : expect.any(WeightError));
    if (fromFile instanceof Map) {
      expectCorrect(fromFile, bytes, description);
      loads++;
    } else expect(fromFile, description).toBeInstanceOf(WeightError);
  }
  expect(loads, "some damage, such as a changed weight, cannot be seen").toBeGreaterThan(0);
  expect(loads).toBeLessThan(mutationCount / 2);
});
