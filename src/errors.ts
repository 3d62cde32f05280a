/**
 * The errors Tesserae throws on purpose, and the one table of their codes.
 * A message says where, what must hold, what arrived and what to do.
 */

/** Every code with the HTTP status it is answered with. `docs/errors.md` is kept equal to this table by a test. */
export const errorCodes = {
  shape: { status: 422, meaning: "tensor shapes or dtypes do not fit the operation" },
  gradient: { status: 500, meaning: "a gradient reached an operation that has none" },
  config: { status: 400, meaning: "a configuration, option or data file is invalid" },
  data: { status: 400, meaning: "a row of a data file is invalid" },
  image: { status: 422, meaning: "an image is damaged, too large or of a format that is not read" },
  weight: { status: 422, meaning: "a checkpoint is damaged or does not fit the model" },
  request: { status: 400, meaning: "a request is malformed" },
  unauthorized: { status: 401, meaning: "an API key is needed, or the one given is not known" },
  forbidden: { status: 403, meaning: "the API key does not allow this" },
  not_found: { status: 404, meaning: "no model, version, file or task of that name" },
  unsupported: { status: 501, meaning: "the architecture, task or provider is not supported" },
  overloaded: { status: 429, meaning: "the queue is full; retry later" },
  deadline: { status: 504, meaning: "the deadline passed before there was an answer" },
  runtime: { status: 500, meaning: "ONNX Runtime or a worker thread failed" },
  interrupted: { status: 503, meaning: "the work was stopped before it ended" },
  unavailable: { status: 503, meaning: "nothing that could answer is there now; retry later" },
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** Base of all errors thrown on purpose; anything else is a defect. */
export class TesseraeError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }

  /** HTTP status this error is answered with. */
  get status(): number {
    return errorCodes[this.code].status;
  }
}

/** Shapes or dtypes that do not fit an operation, or a missing gradient. */
export class ShapeError extends TesseraeError {
  constructor(message: string, options?: ErrorOptions) {
    super("shape", message, options);
  }
}

/** An invalid configuration, option, file or data row. */
export class ConfigError extends TesseraeError {
  constructor(message: string, options?: ErrorOptions & { code?: ErrorCode }) {
    super(options?.code ?? "config", message, options);
  }
}

/** What is wrong with an image file. */
export type ImageProblem = "damaged" | "animated" | "wrong type" | "too large";

/** An image that is damaged, too large or of a format that is not read. */
export class ImageError extends TesseraeError {
  readonly problem: ImageProblem;

  constructor(message: string, options?: ErrorOptions & { problem?: ImageProblem }) {
    super("image", message, options);
    this.problem = options?.problem ?? "damaged";
  }
}

/** A checkpoint that is damaged or does not fit the model. */
export class WeightError extends TesseraeError {
  constructor(message: string, options?: ErrorOptions) {
    super("weight", message, options);
  }
}

/** A request or call that cannot be answered as it is. */
export class RequestError extends TesseraeError {
  constructor(message: string, options?: ErrorOptions & { code?: ErrorCode }) {
    super(options?.code ?? "request", message, options);
  }
}

/** ONNX Runtime or one of its threads failed. */
export class RuntimeFailure extends TesseraeError {
  constructor(message: string, options?: ErrorOptions & { code?: ErrorCode }) {
    super(options?.code ?? "runtime", message, options);
  }
}
