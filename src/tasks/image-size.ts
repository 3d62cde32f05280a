/** The option by which pictures are read at another size than the model was trained at. */

import { z } from "zod";
import type { ImageSides } from "../models/sized-sessions.ts";

const side = z.int().min(1).max(1024);

/** Pixels of both sides, or [height, width]. Default: the size that the model was trained at. */
export const imageSizeOption: z.ZodType<ImageSides | undefined, number | [number, number] | undefined> = z
  .union([side, z.tuple([side, side])], "must be a number of pixels from 1 to 1024, or [height, width]")
  .transform((value): ImageSides => (typeof value === "number" ? [value, value] : value))
  .optional();
