/**
 * Prints as JSON how many MiB of resident memory sessions gain once warm. Run with --expose-gc on the built files;
 * the argument is the path of a model with float32 inputs x and y [n, 4].
 */

import { OrtSession, openSession } from "../../dist/runtime/index.js";
import { Tensor } from "../../dist/tensor/tensor.js";

const path = process.argv[2];
const ROWS = 4096; // 64 KiB a tensor, so that a leak of one tensor a run is 64 MiB in 1,000
const x = Tensor.zeros("float32", [ROWS, 4]);

const residentMb = () => {
  for (let i = 0; i < 3; i++) gc();
  return process.memoryUsage().rss / 2 ** 20;
};

/** MiB gained by `count` repetitions after half as many to warm up. */
async function growth(count, work) {
  for (let i = 0; i < count / 2; i++) await work();
  const before = residentMb();
  for (let i = 0; i < count; i++) await work();
  return residentMb() - before;
}

async function runs(session) {
  const sum = Tensor.zeros("float32", [ROWS, 4]);
  const difference = Tensor.zeros("float32", [ROWS, 4]);
  const allocated = await growth(1000, () => session.run({ x, y: x }));
  const preallocated = await growth(1000, () => session.run({ x, y: x }, { sum, difference }));
  await session.release();
  return Math.max(allocated, preallocated);
}

async function cycle(open) {
  const session = await open();
  await session.run({ x, y: x });
  await session.release();
}

const result = {
  ortRuns: await runs(await OrtSession.open({ path })),
  inPlaceRuns: await runs(await OrtSession.open({ path }, { inPlaceOutputs: true })),
  threadedRuns: await runs(await openSession({ path })),
  ortCycles: await growth(50, () => cycle(() => OrtSession.open({ path }))),
  threadedCycles: await growth(50, () => cycle(() => openSession({ path }))),
};
console.log(JSON.stringify(result));
