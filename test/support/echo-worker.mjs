/** A worker module for tests of threads. It uses the built files, since a worker cannot load TypeScript. */

import { ShapeError } from "../../dist/errors.js";
import { copyTensor, serveThread } from "../../dist/runtime/index.js";

serveThread((init) => {
  if (init?.fail) throw new ShapeError("echo: told to fail");
  const kept = init?.tensor;
  return {
    echo: (value) => value,
    initial: () => copyTensor(kept),
    double(tensor) {
      for (let i = 0; i < tensor.size; i++) tensor.data[i] *= 2;
      return tensor;
    },
    throwShape: () => {
      throw new ShapeError("echo: wrong shape", { cause: new RangeError("the reason") });
    },
    throwDefect: () => undefined.field,
    exit: (code) => process.exit(code),
    throwUncaught: () => new Promise(() => setImmediate(() => undefined.field)),
    never: () => new Promise(() => {}),
    notCloneable: () => () => 1,
  };
});
