/** The frame of an explanation's page: one file that loads nothing. */

import { pageStyle } from "./html-style.ts";

/** Text that may stand in a page. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);

interface PageParts {
  readonly model: string;
  readonly architecture: string;
  readonly task: string;
  /** HTML. */
  readonly body: string;
  /** CSS beside that of every page. */
  readonly style?: string;
  readonly hasScript?: boolean;
}

/** The page as text; names are escaped, `body` and `style` are taken as they are. */
export function explanationPage({
  model,
  architecture,
  task,
  body,
  style = "",
  hasScript = false,
}: PageParts): string {
  const about = [model, architecture, task].map(escapeHtml).join(" · ");
  const scripts = hasScript ? " script-src 'unsafe-inline';" : "";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';${scripts} img-src data:">
<title>${escapeHtml(model)}: explanation</title>
<link rel="icon" href="data:,">
<style>${pageStyle}${style}</style>
</head>
<body>
<header><span class="mark" aria-hidden="true"></span><h1>Explanation</h1><p>${about}</p></header>
${body}
</body>
</html>
`;
}
