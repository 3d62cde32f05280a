/** `tesserae doctor`: whether this machine can run Tesserae, and with what. */

import { existsSync } from "node:fs";
import { access, constants, stat, statfs } from "node:fs/promises";
import { createRequire } from "node:module";
import { freemem, totalmem } from "node:os";
import { dirname } from "node:path";
import { getHFHubCachePath } from "@huggingface/hub";
import type { Command } from "commander";
import { hasIntegerDotProducts } from "../compress/cpu.ts";
import { type EnergySource, energySource } from "../runtime/energy.ts";
import { listProviders } from "../runtime/providers.ts";
import { availableThreads } from "../runtime/threads.ts";
import { defaultStoreRoot } from "../store/store.ts";
import { createCommand, runs } from "./command.ts";
import { showBytes, showTable } from "./format.ts";

/** One thing looked at. A problem is what to do about it; only a required thing's problem fails the command. */
interface Check {
  readonly name: string;
  readonly value: string;
  readonly isRequired: boolean;
  readonly problem?: string | undefined;
}

/** Free disk space below which a warning is given: a base model with its training checkpoints. */
const lowDiskBytes = 5e9;

export function doctorCommand(): Command {
  const command = createCommand("doctor", "Check this machine: engine, providers, memory, folders.", [
    "doctor",
  ]);
  return runs(command, async ({ output }) => {
    const checks = [
      nodeCheck(),
      engineCheck(),
      ...(await providerChecks()),
      { name: "threads", value: String(availableThreads()), isRequired: true },
      int8Check(),
      await energyCheck(),
      memoryCheck(),
      await folderCheck("store", defaultStoreRoot()),
      await folderCheck("hub cache", getHFHubCachePath()),
    ];
    const isFine = checks.every(({ isRequired, problem }) => !isRequired || problem === undefined);
    const rows = checks.map(({ name, value, isRequired, problem }) => [
      problem === undefined ? "ok" : isRequired ? "FAIL" : "-",
      name,
      problem === undefined ? value : `${value}: ${problem}`,
    ]);
    output.result({ ok: isFine, checks }, showTable(["", "CHECK", "RESULT"], rows));
    return isFine ? 0 : 1;
  });
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isNew = major > 20 || (major === 20 && minor >= 19);
  const problem = isNew ? undefined : "Node 20.19 or newer is needed";
  return { name: "Node.js", value: process.versions.node, isRequired: true, problem };
}

function engineCheck(): Check {
  const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
  return { name: "ONNX Runtime", value: version, isRequired: true };
}

async function providerChecks(): Promise<Check[]> {
  return (await listProviders()).map(({ name, usable, problem }) => ({
    name: `provider ${name}`,
    value: usable ? "works" : "not usable",
    isRequired: name === "cpu",
    problem,
  }));
}

/** Without such instructions, sums of two 8-bit products saturate and weights are kept in 7 bits. */
function int8Check(): Check {
  const value = hasIntegerDotProducts() ? "dot products in hardware (VNNI)" : "7-bit weights";
  return { name: "INT8", value, isRequired: false };
}

const energyValues: Readonly<Record<EnergySource, string>> = {
  rapl: "counted by the processor (RAPL)",
  configured: "TESSERAE_CPU_WATTS × time",
  assumed: "assumed watts × time",
};

async function energyCheck(): Promise<Check> {
  const source = await energySource();
  const problem =
    source === "assumed"
      ? "the counters in /sys/class/powercap cannot be read; set TESSERAE_CPU_WATTS to the processor's"
      : undefined;
  return { name: "energy", value: energyValues[source], isRequired: false, problem };
}

function memoryCheck(): Check {
  const value = `${showBytes(freemem())} free of ${showBytes(totalmem())}`;
  return { name: "memory", value, isRequired: false };
}

/** A folder that must be writable, or one that can be made. */
async function folderCheck(name: string, folder: string): Promise<Check> {
  const existing = nearestExisting(folder);
  const { bavail, bsize } = await statfs(existing);
  const freeBytes = bavail * bsize;
  const value = `${folder}, ${showBytes(freeBytes)} free`;
  if (!(await isWritableFolder(existing))) {
    return { name, value, isRequired: true, problem: "is no folder that can be written; change its owner" };
  }
  const problem = freeBytes < lowDiskBytes ? "little disk space is left" : undefined;
  return { name, value, isRequired: false, problem };
}

async function isWritableFolder(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK);
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function nearestExisting(folder: string): string {
  return existsSync(folder) ? folder : nearestExisting(dirname(folder));
}
