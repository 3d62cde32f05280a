/** The pictures of an explanation of a picture with a text, in groups; page and PNG file show the same. */

import type { Tile, TileGroup } from "../vision/contact-sheet.ts";
import type { RgbImage } from "../vision/image.ts";
import { drawAttribution, drawMap } from "./image-drawing.ts";
import type { PairExplanation, PairWord } from "./pair-explain.ts";
import { mapOfLayer, patchPixels, type RegionMaps } from "./region-maps.ts";

export interface FigureGroup extends TileGroup {
  readonly note: string;
}

/**
 * @param layer of cross-attention, from 1; default: the mean of all
 * @throws RequestError for a layer that is not there, or of a model without cross-attention.
 */
export function pairFigures(explanation: PairExplanation, layer?: number): FigureGroup[] {
  const { picture, regions, match } = explanation;
  if (match?.patches) return [towerFigures(picture, match)];
  return regions ? attentionFigures(explanation, regions, layer) : [];
}

const asRead = "as the model reads it";

function towerFigures(
  picture: RgbImage,
  { pixels, patches }: NonNullable<PairExplanation["match"]>,
): FigureGroup {
  const note =
    "Integrated gradients: blue speaks for the match, orange against it. They add up to the difference to a plain picture's score.";
  return {
    title: "Which regions match the text",
    note,
    tiles: [
      { image: picture, label: asRead },
      { image: drawAttribution(picture, patchPixels(patches!, picture)), label: "patches" },
      { image: drawAttribution(picture, pixels!.integratedGradients), label: "pixels" },
    ],
  };
}

function attentionFigures(
  { picture, words, task }: PairExplanation,
  regions: RegionMaps,
  layer: number | undefined,
): FigureGroup[] {
  const draw = (maps: RegionMaps, kind: keyof RegionMaps, label: string): Tile => ({
    image: drawMap(picture, mapOfLayer(maps[kind], layer)),
    label,
  });
  const ofWords = (kind: keyof RegionMaps): Tile[] =>
    words.map((word) => draw(word.regions!, kind, wordLabel(word)));
  const where = layer === undefined ? "mean of all layers" : `layer ${layer}`;
  const scored = task === "image-to-text" ? "the word's own score" : "the score of the match";
  return [
    {
      title: "All words",
      note: `The brightest patch has the largest value; ${where}.`,
      tiles: [
        { image: picture, label: asRead },
        draw(regions, "weighted", "weighted attention"),
        draw(regions, "attention", "attention"),
      ],
    },
    {
      title: "Weighted attention of each word",
      note: `Cross-attention times the gradient of ${scored} where that is positive; mean of the heads, ${where}.`,
      tiles: ofWords("weighted"),
    },
    {
      title: "Attention of each word",
      note: `Cross-attention; mean of the heads, ${where}.`,
      tiles: ofWords("attention"),
    },
  ];
}

/** A word with its probability or its part in the score. */
export function wordLabel({ text, probability, contribution }: PairWord): string {
  if (probability !== undefined) return `${text} ${(probability * 100).toFixed(1)} %`;
  return contribution === undefined ? text : `${text} ${signed(contribution)}`;
}

const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
