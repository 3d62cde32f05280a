/** What a server of the Open Inference Protocol, version 2, does, whatever the transport. */

import { RequestError } from "../../errors.ts";
import { packageVersion } from "../../runtime/package-root.ts";
import type { ValueInfo } from "../../runtime/session.ts";
import type { CatalogModel } from "../../store/catalog.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { counted } from "../counted.ts";
import type { ServerState } from "../health-routes.ts";
import type { PredictOptions } from "../model-host.ts";
import type { PredictContext } from "../predict-route.ts";
import type { ServedModel } from "../served-models.ts";
import type { V2ModelName } from "./v2-client.ts";
import type {
  InferAnswer,
  InferRequest,
  ModelMetadata,
  NamedTensor,
  ServerMetadata,
  TensorMetadata,
} from "./v2-messages.ts";
import { datatypeOfDType } from "./v2-tensors.ts";
import { isTextForm, outputOf, questionOf, textInput, textOutput } from "./v2-text.ts";

export interface V2Context extends PredictContext {
  readonly state: ServerState;
}

export class V2Service {
  constructor(private readonly context: V2Context) {}

  /** Whether requests may come. */
  isReady(): boolean {
    const { isWarm, isClosing } = this.context.state;
    return isWarm && !isClosing;
  }

  metadata(): ServerMetadata {
    return { name: "tesserae", version: packageVersion, extensions: ["binary_tensor_data"] };
  }

  /** Graph tensors, where the model is one graph, and the text form. @throws what opening the model throws. */
  async modelMetadata(model: V2ModelName): Promise<ModelMetadata> {
    const host = await this.hostOf(model);
    const graph = await host.graph?.();
    const { name } = host.model;
    const all = await this.context.pool.status();
    return {
      name,
      versions: all.filter((each) => each.name === name).flatMap((each) => versionOf(each) || []),
      platform: "onnx_onnxv1",
      inputs: [...(graph?.inputs ?? []).map(metadataOf), textInput],
      outputs: [...(graph?.outputs ?? []).map(metadataOf), textOutput],
    };
  }

  /** Whether a model answers: one that is not open opens with its first request. @throws ConfigError, code not_found. */
  async isModelReady(model: V2ModelName): Promise<boolean> {
    const { ref } = (await this.hostOf(model)).model;
    const status = (await this.context.pool.status()).find((each) => each.ref === ref);
    const isOpenable = status?.state === "ready" || status?.state === "idle";
    return isOpenable && this.context.pool.live(ref).isAvailable;
  }

  /** @throws RequestError or ShapeError when the tensors do not hold, and what `ModelHost.predict` throws. */
  infer(model: V2ModelName, request: InferRequest, terms: PredictOptions): Promise<InferAnswer> {
    return counted(this.context.metrics, async (count) => {
      const host = await this.hostOf(model);
      count.named(host.model.ref);
      const outputs = await (isTextForm(request)
        ? this.answerTexts(host, request, terms)
        : this.runGraph(host, request, terms));
      return { model: host.model.name, version: versionOf(host.model), id: request.id || undefined, outputs };
    });
  }

  private hostOf({ name, version: wanted }: V2ModelName): Promise<ServedModel> {
    return this.context.pool.host(wanted ? `${name}@${wanted}` : name);
  }

  private async answerTexts(
    host: ServedModel,
    request: InferRequest,
    terms: PredictOptions,
  ): Promise<NamedTensor[]> {
    const signal = terms.signal ?? new AbortController().signal;
    const question = await questionOf(request, await host.readsPictures(), this.context.limits, signal);
    return [outputOf(await host.predict(question, terms), request)];
  }

  private async runGraph(
    host: ServedModel,
    { inputs, outputs }: InferRequest,
    terms: PredictOptions,
  ): Promise<NamedTensor[]> {
    const feeds: Record<string, Tensor> = {};
    for (const { name, tensor } of inputs) {
      if (!(tensor instanceof Tensor))
        throw new RequestError(
          `tensor "${name.slice(0, 100)}": BYTES are for the text form, which has "inputs" alone; a graph takes numbers`,
        );
      if (Object.hasOwn(feeds, name))
        throw new RequestError(`tensor "${name.slice(0, 100)}": is given twice`);
      feeds[name] = tensor;
      this.assertRows(name, tensor);
    }
    if (!host.infer)
      throw new RequestError(`model ${host.model.ref}: takes texts or pictures as "inputs" alone here`, {
        code: "unsupported",
      });
    const results = await host.infer({ feeds, outputs }, terms);
    return Object.entries(results).map(([name, tensor]) => ({ name, tensor }));
  }

  private assertRows(name: string, { shape: [rows = 1] }: Tensor): void {
    const { maxInputs } = this.context.limits;
    if (rows <= maxInputs) return;
    throw new RequestError(`${name}: at most ${maxInputs} rows at once, got ${rows}; send several requests`);
  }
}

/** "3" or "3:int8" of a reference; "" where there is none. */
const versionOf = ({ name, ref }: Pick<CatalogModel, "name" | "ref">): string =>
  ref.startsWith(`${name}@`) ? ref.slice(name.length + 1) : "";

const metadataOf = ({ name, dtype, shape }: ValueInfo): TensorMetadata => ({
  name,
  datatype: datatypeOfDType(dtype),
  shape: shape.map((dim) => (typeof dim === "number" ? dim : -1)),
});
