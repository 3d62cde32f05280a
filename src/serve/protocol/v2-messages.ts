/** Messages of the Open Inference Protocol, version 2, as the server and the clients see them on either transport. */

import type { V2Tensor } from "./v2-tensors.ts";

/** Parameters are single values in the protocol. */
export type V2Parameters = Readonly<Record<string, string | number | boolean>>;

export interface NamedTensor {
  readonly name: string;
  readonly tensor: V2Tensor;
  readonly parameters?: V2Parameters;
}

export interface InferRequest {
  /** Comes back in the answer. */
  readonly id?: string | undefined;
  readonly parameters?: V2Parameters;
  readonly inputs: readonly NamedTensor[];
  /** Names of the outputs wanted; default: all. */
  readonly outputs?: readonly string[] | undefined;
}

export interface InferAnswer {
  readonly model: string;
  /** "" where the model has no versions. */
  readonly version: string;
  readonly id?: string | undefined;
  readonly parameters?: V2Parameters;
  readonly outputs: readonly NamedTensor[];
}

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** −1 for a size that may vary. */
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  /** Versions that may be asked for; none where the model has no versions. */
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}
