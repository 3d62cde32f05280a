/** Pictures that are read at other sizes than the model was trained at, in batches of one size. */

import { ConfigError, RequestError } from "../errors.ts";
import type { OpenImageModel } from "../models/open.ts";
import type { ImageSides } from "../models/sized-sessions.ts";
import type { Session } from "../runtime/session.ts";
import type { RgbImage } from "../vision/image.ts";
import { planOfSize } from "../vision/plan-size.ts";
import { ImagePreprocessor } from "../vision/preprocess.ts";
import type { BatchOrder } from "./batch-order.ts";
import type { TextOutputs } from "./batch-runner.ts";
import { ImageRunner, type ImageRunnerOptions } from "./image-runner.ts";

export class SizedRunners {
  private readonly runners = new WeakMap<Session, ImageRunner>();

  constructor(
    private readonly model: OpenImageModel,
    private readonly outputs: readonly string[],
    private readonly options: Omit<ImageRunnerOptions, "size">,
  ) {}

  /** The wanted outputs for one picture, without the batch axis. @throws RequestError for a size that the model cannot read. */
  async run(image: RgbImage, imageSize: ImageSides, order: BatchOrder): Promise<TextOutputs> {
    const { otherSizes, preprocessor } = this.model;
    const [height, width] = imageSize;
    try {
      return await otherSizes.use(imageSize, (session) => {
        const sized = new ImagePreprocessor(planOfSize(preprocessor.plan, { height, width }));
        return this.runnerOf(session, imageSize).run({ pixel_values: sized.batch([image]) }, order);
      });
    } catch (cause) {
      if (!(cause instanceof ConfigError)) throw cause;
      throw new RequestError(`image_size: ${cause.message}`, { cause });
    }
  }

  private runnerOf(session: Session, [height, width]: ImageSides): ImageRunner {
    const known = this.runners.get(session);
    if (known) return known;
    const trained = this.model.session.inputs.find(({ name }) => name === "pixel_values")!.shape;
    const [trainedHeight, trainedWidth] = trained.slice(2).map(Number) as [number, number];
    const size = (height * width) / (trainedHeight * trainedWidth);
    const runner = new ImageRunner(session, this.outputs, { ...this.options, size });
    this.runners.set(session, runner);
    return runner;
  }
}
