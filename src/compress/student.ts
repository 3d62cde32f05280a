/**
 * A student cut out of its teacher: some of its layers, evenly spread, and whatever else has the same shape.
 * Sanh et al. 2019, https://arxiv.org/abs/1910.01108
 */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import type { ConfigJson } from "../models/config.ts";
import { matchCheckpoint } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { initialValue, parametersOf } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Checkpoint, openCheckpoint, weightsFile } from "../weights/checkpoint.ts";
import { writeSafetensors } from "../weights/safetensors.ts";
import type { Teacher } from "./teacher.ts";

/** The field of config.json that says how many layers a family's models have. */
const depthFields: Readonly<Record<string, string>> = {
  bert: "num_hidden_layers",
  roformer: "num_hidden_layers",
  distilbert: "n_layers",
  xlnet: "n_layer",
  vit: "num_hidden_layers",
  deit: "num_hidden_layers",
};

/** Layers of a teacher out of which shallower students can be cut, 0 for other families. */
export function layersOf({ config, architecture }: Teacher): number {
  if (depthFields[architecture.modelType] === undefined) return 0;
  return [...depthsIn([...parametersOf(architecture.build(config)).values()]).values()][0] ?? 0;
}

/** The teacher's config with fewer layers. @throws ConfigError when its family is not made of equal layers, or has fewer. */
export function shallowerConfig(teacher: Teacher, layers: number): ConfigJson {
  const { config, folder, architecture } = teacher;
  const field = depthFields[architecture.modelType];
  const depth = layersOf(teacher);
  if (field === undefined || depth === 0) {
    throw new ConfigError(
      `${folder}: layers can be taken from ${Object.keys(depthFields).join(", ")}, not from ${architecture.modelType}; name a student model instead`,
      { code: "unsupported" },
    );
  }
  if (layers <= depth) return { ...config, [field]: layers };
  throw new ConfigError(`${folder}: has ${depth} layers, a student with ${layers} cannot be cut out of it`);
}

/** Numbers of `count` layers out of `total`, the first and the last among them: of 12 those that DistilBERT took. */
export const spreadLayers = (total: number, count: number): number[] =>
  Array.from({ length: count }, (_, at) => Math.round((at * (total - 1)) / Math.max(count - 1, 1)));

/** What a student starts from. */
export interface StudentStart {
  /** Undefined where nothing of the teacher fits, so that all weights are to be drawn. */
  readonly weightsFolder?: string;
  /** Share of its weights that are the teacher's. */
  readonly takenShare: number;
}

/**
 * Writes a student's first weights: the teacher's where they fit, else drawn by the seed.
 * @throws WeightError when the teacher's checkpoint lacks a weight.
 */
export async function writeStudent(
  folder: string,
  config: ConfigJson,
  teacher: Teacher,
  seed: number,
): Promise<StudentStart> {
  const architecture = architectureOf(config);
  const student = parametersOf(architecture.build(config));
  const sources = sourcesIn(teacher, student, architecture.modelType);
  const taken = [...sources.keys()].reduce((sum, node) => sum + elementsOf(node), 0);
  const total = [...student.keys()].reduce((sum, node) => sum + elementsOf(node), 0);
  if (taken === 0) return { takenShare: 0 };
  const checkpoint = await openCheckpoint(teacher.folder);
  try {
    const read = reader(teacher, checkpoint);
    const tensors: [string, Tensor][] = [];
    for (const [node, ours] of student) {
      const name = architecture.names.toHub(ours);
      const source = sources.get(node);
      tensors.push([name, source ? await read(source) : initialValue(node, name, seed)]);
    }
    await mkdir(folder, { recursive: true });
    await writeSafetensors(join(folder, weightsFile), tensors, { format: "pt" });
  } finally {
    await checkpoint.close();
  }
  return { weightsFolder: folder, takenShare: taken / total };
}

/** Teacher's parameters whose sum a student's starts from. */
type Source = readonly string[];

/** For each of the student's parameters that can be taken, the teacher's by our names. Layers are taken whole. */
function sourcesIn(
  teacher: Teacher,
  student: ReadonlyMap<Node, string>,
  modelType: string,
): Map<Node, Source> {
  const { architecture, config } = teacher;
  const found = new Map<Node, Source>();
  const isCut = architecture.modelType === "bert" && modelType === "distilbert";
  if (architecture.modelType !== modelType && !isCut) return found;
  const parameters = parametersOf(architecture.build(config));
  const nodes = new Map([...parameters].map(([node, name]) => [name, node]));
  const rename = renaming([...nodes.keys()], [...student.values()], isCut);
  const fits = ([node, name]: [Node, string]): boolean => {
    const source = nodes.get(rename(name)[0]!);
    return source !== undefined && String(source.shape) === String(node.shape);
  };
  const misfits = new Set([...student].filter((entry) => !fits(entry)).map(([, name]) => unitOf(name)));
  for (const [node, name] of student) if (!misfits.has(unitOf(name))) found.set(node, rename(name));
  return found;
}

/** What is taken as a whole or not at all: a layer, or another module. */
const unitOf = (name: string): string => /^.*?layers\.\d+/.exec(name)?.[0] ?? name.replace(/\.[^.]+$/, "");

/** Number of layers of each list of them, such as a tower's, by its path. */
function depthsIn(names: readonly string[]): Map<string, number> {
  const depths = new Map<string, number>();
  for (const name of names) {
    const [, list, at] = /^(.*?layers)\.(\d+)\./.exec(name) ?? [];
    if (list !== undefined) depths.set(list, Math.max(depths.get(list) ?? 0, Number(at) + 1));
  }
  return depths;
}

/** From a student's names to the teacher's. */
function renaming(
  teacher: readonly string[],
  student: readonly string[],
  isCut: boolean,
): (name: string) => Source {
  const sourceOf = (name: string): Source => (isCut ? fromBert(name) : [name]);
  const [there, here] = [depthsIn(teacher), depthsIn(student.flatMap(sourceOf))];
  const layerThere = (list: string, at: number): number | undefined =>
    spreadLayers(there.get(list) ?? 0, here.get(list)!)[at];
  return (name) =>
    sourceOf(name).map((source) =>
      source.replace(/^(.*?layers)\.(\d+)\./, (_, list, at) => `${list}.${layerThere(list, Number(at))}.`),
    );
}

/** DistilBERT's vocabulary head in BERT. */
const heads: Readonly<Record<string, string>> = { transform: "vocabulary.dense", norm: "vocabulary.norm" };

/**
 * BERT's names of DistilBERT's. Its first segment's vector, which is added at every position of a single text, joins the
 * positions, since DistilBERT has no segments; that it is not lost is a departure from the paper's code.
 */
function fromBert(name: string): Source {
  if (name === "bias") return ["vocabulary.bias"];
  const [first = "", ...rest] = name.split(".");
  if (heads[first]) return [[heads[first], ...rest].join(".")];
  const same = name.replace(/^distilbert\./, "bert.");
  return same === "bert.embeddings.position.weight" ? [same, "bert.embeddings.segment.weight"] : [same];
}

/** Reads a parameter of the teacher; of a second one, its first row is added to every row. */
function reader({ architecture }: Teacher, checkpoint: Checkpoint): (source: Source) => Promise<Tensor> {
  const entries = matchCheckpoint(architecture, checkpoint);
  const read = (name: string): Promise<Tensor> => {
    const stored = architecture.names.toHub(name);
    return checkpoint.read(entries.get(stored)?.storedName ?? stored);
  };
  return async ([name, added]) => {
    const tensor = await read(name!);
    if (added === undefined) return tensor;
    const row = (await read(added)).toNumbers();
    const width = tensor.shape.at(-1)!;
    const sums = tensor.toNumbers().map((value, at) => value + row[at % width]!);
    return Tensor.from("float32", tensor.shape, sums);
  };
}

const elementsOf = (node: Node): number =>
  (node.shape as readonly number[]).reduce((product, dim) => product * dim, 1);
