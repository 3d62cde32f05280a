/** A training run in a process of its own, which a test kills. Arguments: output folder, options as JSON. */

import { fit } from "../../src/train/trainer.ts";
import { tinyRun } from "./tiny-run.ts";

const [output, options] = process.argv.slice(2) as [string, string];
await fit(
  { ...tinyRun(), output, options: JSON.parse(options) },
  { onEvent: ({ kind }) => console.log(kind) },
);
