/** The flags of `tesserae compress`. */

import { type Command, InvalidArgumentError } from "commander";
import type { DistillationFields } from "../compress/objective.ts";
import { type QuantizationKind, quantizationKinds } from "../compress/quantization-plan.ts";
import { numberFrom, wholeNumber, wholeNumbers } from "./command.ts";
import { addDataOptions } from "./data-options.ts";
import { fieldValue } from "./field-value.ts";
import { addImageOptions } from "./image-options.ts";
import { addTrainerOptions } from "./train.ts";
import type { TrainFlags } from "./train-flags.ts";

export interface CompressFlags extends Omit<TrainFlags, "layers"> {
  readonly config?: string;
  readonly maxDrop?: number;
  readonly targetLatency?: number;
  readonly targetSize?: number;
  readonly layers?: readonly number[];
  readonly widths?: readonly number[];
  readonly kinds?: readonly QuantizationKind[];
  readonly distil?: DistillationFields;
}

export function addCompressOptions(command: Command): void {
  command
    .option("--config <file>", "YAML file of any of these options, and model")
    .option("--data <path>", "training examples, as for train")
    .option("--validation <path>", "labelled examples on which everything is measured")
    .option("--max-drop <points>", "points of accuracy that may be lost; default: 1", numberFrom(0))
    .option("--target-latency <ms>", "milliseconds of one example to reach, such as 10ms", milliseconds)
    .option("--target-size <bytes>", "size of the weights to reach, such as 5MB", bytes)
    .option("--name <name>", "of the result in the store; default: the model's with -compressed")
    .option(
      "--layers <numbers>",
      "depths of students, with commas, 0 for none; default: a half and a quarter of the model's",
      wholeNumbers(0),
    )
    .option("--widths <numbers>", "widths of students, with commas; default: the model's", wholeNumbers(1))
    .option(
      "--kinds <kinds>",
      `numbers of weights, with commas: ${quantizationKinds.join(", ")}; default: dynamic,static,weight-only`,
      kinds,
    )
    .option("--set <field=value>", "a field of the students' config.json; may be repeated", fieldValue)
    .option(
      "--distil <weight=number>",
      "temperature, labels, outputs, hidden, features; may be repeated",
      fieldValue,
    )
    .option("--transfer-data <path>", "text without labels, which the model labels; a line each")
    .option("--transfer-count <number>", "lines of it that are used; default: all", wholeNumber(1))
    .option(
      "--teacher-copies <number>",
      "pictures: augmented copies that the model answers; default: 4",
      wholeNumber(1),
    )
    .option("--output <folder>", "folder of the search; default: runs/NAME");
  addDataOptions(command);
  addImageOptions(command);
  addTrainerOptions(command);
}

function kinds(text: string): QuantizationKind[] {
  return text.split(",").map((name) => {
    const kind = quantizationKinds.find((known) => known === name);
    if (kind) return kind;
    throw new InvalidArgumentError(`It must be some of ${quantizationKinds.join(", ")}.`);
  });
}

/** "10", "10ms" or "0.01s". */
function milliseconds(text: string): number {
  const [, number, unit] = /^([\d.]+) ?(ms|s)?$/.exec(text) ?? [];
  const value = Number(number) * (unit === "s" ? 1000 : 1);
  if (value > 0) return value;
  throw new InvalidArgumentError("It must be a time such as 10ms.");
}

const units: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/** "5000000", "500kB" or "5MB". */
function bytes(text: string): number {
  const [, number, unit = ""] = /^([\d.]+) ?([kmg])?b?$/i.exec(text) ?? [];
  const value = Number(number) * units[unit.toLowerCase()]!;
  if (value > 0) return value;
  throw new InvalidArgumentError("It must be a size such as 5MB.");
}
