/** A teacher: a trained model whose answers, and perhaps states, a student follows. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { type ConfigJson, parseJsonObject, readConfig } from "../models/config.ts";
import type { Architecture, InputSpec, Inputs, Model } from "../models/model.ts";
import { encodeGraph } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { declareInputs, storedNames, type TracedGraph, usedGraph } from "../models/trace.ts";
import { Context } from "../nn/context.ts";
import { openSession } from "../runtime/index.ts";
import type { Session } from "../runtime/session.ts";
import { contentHashOf, hashFile, listFiles } from "../store/manifest.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { lastHidden, pooledState, teacherPrefix } from "../train/distillation.ts";
import type { Batch } from "../train/step.ts";
import { preprocessorFile } from "../vision/preprocessor-config.ts";

/** A teacher's folder and what it says of itself. */
export interface Teacher {
  /** As the user named it, for the lineage. */
  readonly ref: string;
  readonly folder: string;
  readonly config: ConfigJson;
  readonly architecture: Architecture;
}

/** @throws ConfigError when the folder is not of a known model. */
export async function readTeacher(folder: string, ref = folder): Promise<Teacher> {
  const config = await readConfig(folder);
  return { ref, folder, config, architecture: architectureOf(config, folder) };
}

/** Fields of config.json that name classes, which a student takes over. */
export function labelsOfTeacher({ config }: Teacher): ConfigJson {
  const fields = ["id2label", "label2id", "problem_type", "num_classes"];
  return Object.fromEntries(Object.entries(config).filter(([name]) => fields.includes(name)));
}

/** Its `preprocessor_config.json`. @throws ConfigError, code not_found, when it has none. */
export async function preprocessorOf({ folder }: Teacher): Promise<ConfigJson> {
  const path = join(folder, preprocessorFile);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new ConfigError(`${path}: cannot be read; a teacher of pictures needs it`, {
      cause,
      code: "not_found",
    });
  });
  return parseJsonObject(text, path);
}

/** SHA-256 over the config and the weights, which decide what a teacher answers. */
export async function teacherHash({ folder }: Teacher): Promise<string> {
  const names = (await listFiles(folder)).filter((name) => /^(config\.json|[^/]*\.safetensors)$/.test(name));
  const files = names.map(async (name) => [name, await hashFile(join(folder, name))] as const);
  return contentHashOf(Object.fromEntries(await Promise.all(files)));
}

/** What a student compares beside the teacher's answers. */
export interface TeacherStates {
  /** The last hidden states, [B, T, D]. */
  readonly hidden?: boolean;
  /** Their mean over an example, [B, D]. */
  readonly features?: boolean;
}

/** Answers that a student can follow, with the name under which it finds them. */
const answers: Readonly<Record<string, string>> = {
  logits: "logits",
  prediction_logits: "logits",
  start_logits: "start_logits",
  end_logits: "end_logits",
  image_embeds: "image_embeds",
  text_embeds: "text_embeds",
};

/** A teacher that answers batches, in a thread of its own. */
export class TeacherSession {
  private constructor(private readonly session: Session) {}

  /** @throws ConfigError, code unsupported, for a model with nothing to follow; WeightError for damaged weights. */
  static async open(teacher: Teacher, states: TeacherStates = {}, threads?: number): Promise<TeacherSession> {
    const { architecture, config, folder } = teacher;
    const model = architecture.build(config);
    const inputs = declareInputs(specsOf(teacher));
    const outputs = taughtOutputs(teacher, model, inputs, states);
    const graph: TracedGraph = usedGraph(outputs, Object.values(inputs), storedNames(architecture, model));
    const encoded = await encodeGraph(folder, architecture, graph);
    return new TeacherSession(
      await openSession({ ...encoded, name: folder }, threads === undefined ? {} : { threads }),
    );
  }

  /** Names of the batch's tensors that the teacher reads. */
  get inputs(): readonly string[] {
    return this.session.inputs.map(({ name }) => name);
  }

  /** Names of what it gives. */
  get outputs(): readonly string[] {
    return this.session.outputs.map(({ name }) => name);
  }

  /** What the teacher gives for a batch, under the names that a student's objective reads. */
  answer(batch: Batch): Promise<Record<string, Tensor>> {
    return this.session.run(Object.fromEntries(this.inputs.map((name) => [name, batch[name]!])));
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

/** A head over a vocabulary can be asked for some tokens only, which saves most of its work. */
function specsOf({ architecture, config }: Teacher): InputSpec[] {
  const specs = architecture.inputs(config).filter(({ isLabel }) => !isLabel);
  const isMasked = architecture.task === "fill-mask" || architecture.task === "pretraining";
  return isMasked ? [...specs, { name: "masked_positions", dtype: "int64", axes: ["asked"] }] : specs;
}

function taughtOutputs(
  { architecture, folder }: Teacher,
  model: Model,
  inputs: Inputs,
  states: TeacherStates,
): Record<string, Node> {
  const ctx = Context.inference();
  const given = model.forward(ctx, inputs);
  const taught: [string, Node][] = Object.entries(given).flatMap(([name, node]) =>
    answers[name] === undefined ? [] : [[answers[name], node]],
  );
  if (taught.length === 0) {
    throw new ConfigError(
      `${folder}: ${architecture.name} gives nothing that a student could follow; name a model with logits or embeddings as the teacher`,
      { code: "unsupported" },
    );
  }
  if (states.hidden) taught.push(["hidden", lastHidden(ctx.captured)]);
  if (states.features) taught.push(["features", pooledState(lastHidden(ctx.captured), inputs)]);
  return Object.fromEntries(taught.map(([name, node]) => [teacherPrefix + name, node]));
}
