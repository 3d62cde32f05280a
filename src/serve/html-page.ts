/** Pages of one file, whose policy lets a browser run exactly their own style and script and load nothing else. */

import { createHash } from "node:crypto";
import type { FastifyReply } from "fastify";

export interface PageParts {
  readonly title: string;
  readonly style: string;
  readonly script: string;
  readonly body: string;
}

export interface Page {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

export const htmlPage = ({ title, style, script, body }: PageParts): Page => ({
  html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
${body}
<script>${script}</script>
</body>
</html>
`,
  contentSecurityPolicy: [
    "default-src 'none'",
    `style-src ${hashOf(style)}`,
    `script-src ${hashOf(script)}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
});

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

export function sendPage(reply: FastifyReply, { html, contentSecurityPolicy }: Page): string {
  reply
    .type("text/html; charset=utf-8")
    .header("content-security-policy", contentSecurityPolicy)
    .header("x-content-type-options", "nosniff")
    .header("referrer-policy", "no-referrer");
  return html;
}
