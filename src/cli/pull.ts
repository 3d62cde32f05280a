/** `tesserae pull`: a model from the hub or a folder into the store. */

import { copyFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { readConfig } from "../models/config.ts";
import { encodeModel, modelFile } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { storeNameOf } from "../store/ref.ts";
import { ModelStore } from "../store/store.ts";
import { labelsIn } from "../tasks/labels.ts";
import { type ResolvedModel, resolveModel } from "../weights/hub.ts";
import { createCommand, runs } from "./command.ts";
import { showBytes } from "./format.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";

interface PullOptions {
  readonly name?: string;
  readonly revision?: string;
}

/** Files of a model folder that belong to a version; run logs and other frameworks' weights do not. */
const modelFiles = /\.(json|txt|safetensors|model|spm)$/;

export function pullCommand(): Command {
  const command = createCommand(
    "pull <model>",
    "Get a model from the hub, or from a folder, into the store.",
    ["pull google-bert/bert-base-uncased", "pull ./my-model --name reviews"],
  )
    .argument("<model>", "org/name on the hub, or a folder")
    .option("--name <name>", "name in the store; default: the last part of the model's name")
    .option("--revision <revision>", "branch, tag or commit on the hub; default: main");
  return runs<PullOptions, [string]>(command, async ({ options, output }, model) => {
    const name = options.name ?? storeNameOf(model);
    const source = await download(model, options.revision, output);
    const config = await readConfig(source.folder);
    const architecture = architectureOf(config, model);
    const version = await new ModelStore().add(name, (folder) => fill(folder, source.folder), {
      task: architecture.task,
      ...labelsIn(config, architecture.task),
      lineage: { parent: source.commit ? `${model}@${source.commit}` : model },
    });
    const { ref, folder, manifest } = version;
    const sizeBytes = Object.values(manifest.files).reduce((sum, file) => sum + file.sizeBytes, 0);
    output.result(
      { ref, folder, task: manifest.task, sizeBytes },
      `${ref}: ${architecture.name} for ${manifest.task}, ${showBytes(sizeBytes)}, in ${folder}`,
    );
    return 0;
  });
}

/** The model's folder, with a bar for each file that is downloaded. */
async function download(model: string, revision: string | undefined, output: Output): Promise<ResolvedModel> {
  let current: { file: string; progress: Progress } | undefined;
  try {
    return await resolveModel(model, {
      ...(revision !== undefined && { revision }),
      onProgress: ({ file, receivedBytes, sizeBytes }) => {
        if (current?.file !== file) {
          current?.progress.finish();
          current = { file, progress: new Progress(output, file, sizeBytes, "bytes") };
        }
        current.progress.update(receivedBytes);
      },
    });
  } finally {
    current?.progress.finish();
  }
}

/** Copies the model's files and adds the ONNX graph over its weights. */
async function fill(target: string, source: string): Promise<void> {
  for (const file of await readdir(source)) {
    if (modelFiles.test(file)) await copyFile(join(source, file), join(target, file));
  }
  const { bytes } = await encodeModel(target);
  await writeFile(join(target, modelFile), bytes);
}
