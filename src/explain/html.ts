/** An explanation as one HTML page that loads nothing. */

import type { Tensor } from "../tensor/tensor.ts";
import type { AttentionMap } from "./attention.ts";
import type { Explanation } from "./explain.ts";
import { attentionScript } from "./html-attention.ts";
import { attributionScript } from "./html-attribution.ts";
import { showScore } from "./html-figures.ts";
import { escapeHtml, explanationPage } from "./html-page.ts";
import { pictureScript } from "./html-picture.ts";

/** The page of an explanation; `model` is the name it shows. */
export function explanationHtml(model: string, explanation: Explanation): string {
  const { architecture, task, attribution, leftOut } = explanation;
  const note =
    leftOut > 0 ? `<p class="hint">${leftOut} tokens beyond the longest input were not read.</p>` : "";
  const body = `${note}
<main>
${attribution ? attributionSection(attribution) : ""}
${attentionSection}
</main>
<noscript><p>The pictures need JavaScript.</p></noscript>
<script type="application/json" id="data">${escapeJson(pageData(explanation))}</script>
<script>${attributionScript}${pictureScript}${attentionScript}</script>`;
  return explanationPage({ model, architecture, task, body, hasScript: true });
}

function attributionSection({
  target,
  score,
  baselineScore,
  baselineToken,
}: NonNullable<Explanation["attribution"]>): string {
  const { label, probability } = target;
  const chance =
    probability === undefined ? "" : `<span class="chance">${(probability * 100).toFixed(1)} %</span>`;
  return `<section aria-labelledby="answer-title">
  <div class="row"><h2 id="answer-title"><span class="hint">Explained</span> ${escapeHtml(label)}</h2>${chance}
    <span class="hint">score ${showScore(score)}; ${showScore(baselineScore)} with ${escapeHtml(baselineToken)} for every word</span></div>
  <div class="row"><div class="tabs" id="methods" role="group" aria-label="Method"></div><span class="hint" id="method-note"></span></div>
  <div class="split">
    <div><p class="text" id="attributed"></p><p class="readout" id="attributed-readout" aria-live="polite"></p></div>
    <div><ol class="bars" id="bars" aria-label="Words that count most"></ol></div>
  </div>
</section>`;
}

const attentionSection = `<section aria-labelledby="attention-title" id="attention">
  <div class="row"><h2 id="attention-title">Attention</h2><div class="tabs" id="stacks" role="group" aria-label="Stack"></div>
    <label class="check"><input type="checkbox" id="words-only"> leave out special tokens</label></div>
  <div class="maps">
    <div><div id="overview" role="group" aria-label="All layers and heads"></div>
      <p class="hint">Rows are layers, columns are heads. Arrow keys move.</p></div>
    <div class="map">
      <div class="row"><h3 id="map-title"></h3><span class="ramp" aria-hidden="true"></span><span class="hint" id="ramp-note"></span></div>
      <p class="text small" id="attending"></p>
      <p class="text small" id="attended"></p>
      <p class="readout" id="map-readout" aria-live="polite"></p>
      <div class="scroll"><canvas id="map" role="img" aria-labelledby="map-title"></canvas></div>
    </div>
  </div>
</section>`;

/** What the scripts read. Attention is 16-bit: 65,535 stands for 1. */
function pageData({ tokens, outputTokens, attention, rollout, attribution }: Explanation): object {
  const stacks = [...new Set(attention.map(({ stack }) => stack))];
  return {
    tokens,
    outputTokens,
    stacks: stacks.map((name) => ({
      name,
      layers: attention.filter((map) => map.stack === name).map(layerData),
    })),
    rollout: base64Of(rollout),
    ...(attribution && {
      methods: {
        integratedGradients: attribution.integratedGradients,
        gradientTimesInput: attribution.gradientTimesInput,
        rollout: attribution.rollout,
      },
      positions: attribution.target.positions,
    }),
  };
}

const layerData = ({ layer, probabilities }: AttentionMap): object => ({
  layer,
  shape: probabilities.shape,
  values: base64Of(probabilities),
});

const base64Of = ({ data }: Tensor): string =>
  Buffer.from(Uint16Array.from(data as Float32Array, (value) => Math.round(value * 65535)).buffer).toString(
    "base64",
  );

/** JSON that no script element ends in. */
const escapeJson = (value: object): string => JSON.stringify(value).replaceAll("<", "\\u003c");
