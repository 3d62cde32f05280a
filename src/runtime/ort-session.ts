/** A session of onnxruntime-node in the calling thread, which it blocks while it computes. */

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { ConfigError, RuntimeFailure, ShapeError, TesseraeError } from "../errors.ts";
import { arrayOf, type DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { checkFeeds, wantedOutputs } from "./checks.ts";
import { voidOutput } from "./onnx-bytes.ts";
import { loadSource, nameOf, ortOptions } from "./ort-options.ts";
import { type OpProfile, parseProfile } from "./profile.ts";
import { chooseProvider, type Provider, warnOnce } from "./providers.ts";
import type { Feeds, Fetches, ModelSource, Session, SessionOptions, ValueInfo } from "./session.ts";

const toOrt = ({ dtype, data, shape }: Tensor): ort.Tensor =>
  new ort.Tensor(dtype as ort.Tensor.Type, data as ort.Tensor.DataType, shape) as ort.Tensor;

function fromOrt(tensor: ort.OnnxValue): Tensor {
  const { type, dims, data } = tensor as ort.Tensor;
  const array = data as Uint8Array;
  const Expected = arrayOf(type as DType);
  // Where JavaScript has Float16Array, ORT returns it.
  const own =
    array instanceof Expected ? array : new Expected(array.buffer, array.byteOffset, array.byteLength / 2);
  return new Tensor(type as DType, dims, own);
}

const valueInfos = (values: readonly ort.InferenceSession.ValueMetadata[]): ValueInfo[] =>
  values.flatMap((value) =>
    value.isTensor ? [{ name: value.name, dtype: value.type as DType, shape: value.shape }] : [],
  );

/**
 * Memory: feeds are read where they lie, also views into a larger buffer. A fetched tensor is written where it lies;
 * it may be a feed as well (a parameter and its new value) if the op that writes it is elementwise and no op reads
 * the feed after that one.
 */
export class OrtSession implements Session {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  private readonly underWay = new Set<Promise<unknown>>();
  private released: Promise<void> | undefined;
  private profileText: Promise<string> | undefined;

  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly where: string,
    readonly provider: Provider,
    private readonly inPlace: boolean,
    private readonly profileFolder: string | undefined,
  ) {
    this.inputs = valueInfos(session.inputMetadata);
    this.outputs = valueInfos(session.outputMetadata);
  }

  /** @throws ConfigError when the file is missing, RuntimeFailure when ORT refuses the model or the provider. */
  static async open(source: ModelSource, options: SessionOptions = {}): Promise<OrtSession> {
    const where = nameOf(source);
    const inPlace = options.inPlaceOutputs ?? false;
    const { model, weightsFolder } = await loadSource(source, inPlace);
    const provider = await chooseProvider(options, options.log ?? warnOnce);
    const profileFolder = options.profile ? await mkdtemp(join(tmpdir(), "tesserae-profile-")) : undefined;
    const profilePrefix = profileFolder && join(profileFolder, "ort");
    const settings = ortOptions(options, provider, { weightsFolder, profilePrefix });
    try {
      const session = await ort.InferenceSession.create(model as Uint8Array, settings);
      return new OrtSession(session, where, provider, inPlace, profileFolder);
    } catch (error) {
      if (profileFolder) await rm(profileFolder, { recursive: true });
      throw failure(where, "ORT cannot open the model", error);
    }
  }

  async run(feeds: Feeds, fetches?: Fetches): Promise<Record<string, Tensor>> {
    this.checkOpen();
    checkFeeds(this.where, this.inputs, feeds);
    const wanted = wantedOutputs(this.where, this.outputs, fetches);
    const targets = this.inPlace ? this.targetsOf(wanted) : undefined;
    const run = targets ? this.runInPlace(feeds, targets) : this.runCopying(feeds, wanted);
    this.underWay.add(run);
    try {
      return await run;
    } catch (error) {
      throw failure(this.where, "ORT failed to run", error);
    } finally {
      this.underWay.delete(run);
    }
  }

  private async runCopying(
    feeds: Feeds,
    wanted: Record<string, Tensor | null>,
  ): Promise<Record<string, Tensor>> {
    const results = await this.session.run(
      mapValues(feeds, toOrt),
      mapValues(wanted, (t) => t && toOrt(t)),
    );
    return mapValues(wanted, (target, name) => target ?? fromOrt(results[name]!));
  }

  /** ORT has written every output when it comes to convert the first one, which it refuses: so nothing is copied. */
  private async runInPlace(feeds: Feeds, targets: Record<string, Tensor>): Promise<Record<string, Tensor>> {
    try {
      await this.session.run(mapValues(feeds, toOrt), { [voidOutput]: null, ...mapValues(targets, toOrt) });
    } catch (error) {
      if (!String(error).includes("Non tensor type is temporarily not supported")) throw error;
    }
    return targets;
  }

  /** A tensor for every wanted output; undefined when one has no fixed shape to make it of. */
  private targetsOf(wanted: Record<string, Tensor | null>): Record<string, Tensor> | undefined {
    const targets: Record<string, Tensor> = {};
    for (const [name, target] of Object.entries(wanted)) {
      const { dtype, shape } = this.outputs.find((output) => output.name === name)!;
      const isFixed = shape.every((dim) => typeof dim === "number");
      if (!target && !isFixed) return undefined;
      targets[name] = target ?? Tensor.zeros(dtype, shape as readonly number[]);
    }
    return targets;
  }

  async profile(by: "op" | "node" = "op"): Promise<OpProfile[]> {
    this.checkOpen();
    if (!this.profileFolder) {
      throw new ConfigError(`${this.where}: open it with profile: true to get a profile`);
    }
    this.profileText ??= this.endProfile(this.profileFolder);
    return parseProfile(await this.profileText, by);
  }

  private async endProfile(folder: string): Promise<string> {
    this.session.endProfiling();
    const [file] = await readdir(folder);
    return readFile(join(folder, file!), "utf8");
  }

  release(): Promise<void> {
    this.released ??= this.dispose();
    return this.released;
  }

  private checkOpen(): void {
    if (this.released) throw new RuntimeFailure(`${this.where}: was released; open a new session`);
  }

  private async dispose(): Promise<void> {
    await Promise.allSettled([...this.underWay, this.profileText]);
    await this.session.release();
    if (this.profileFolder) await rm(this.profileFolder, { recursive: true, force: true });
  }
}

function mapValues<V, W>(
  record: Readonly<Record<string, V>>,
  change: (value: V, name: string) => W,
): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}

/** ORT checks only while it runs that a tensor to write into has the shape that is computed. */
const isShapeMismatch = (reason: string): boolean => reason.includes("computed output shape");

function failure(where: string, what: string, error: unknown): TesseraeError {
  if (error instanceof TesseraeError) return error;
  const reason = error instanceof Error ? error.message.trim() : String(error);
  const Failure = isShapeMismatch(reason) ? ShapeError : RuntimeFailure;
  return new Failure(`${where}: ${what}: ${reason}`, { cause: error });
}
