/** A model's worker that answers with its input, but ends or blocks its thread when it is told to. */

import { serveThread } from "../../dist/runtime/thread.js";

const hangMs = 3000;

serveThread(({ beats }) => {
  setInterval(() => Atomics.add(beats, 0, 1), 50);
  const acts = {
    exit: () => process.exit(1),
    hang: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, hangMs),
    wait: () => new Promise(() => undefined),
  };
  return {
    describe: () => ({ task: "echo", architecture: "none", provider: "cpu", samples: true }),
    predict: async (_, { inputs }) => {
      await acts[inputs]?.();
      return { result: inputs, batches: [] };
    },
    cancel: () => undefined,
    release: () => undefined,
  };
});
