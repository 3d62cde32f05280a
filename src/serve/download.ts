/**
 * Files from addresses that callers name, without letting them reach what only the server can: scheme and address are
 * checked at every redirect, and the connection goes to exactly the address that was checked.
 */

import { lookup } from "node:dns/promises";
import type { IncomingMessage } from "node:http";
import { get as getHttp } from "node:http";
import { get as getHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { RequestError } from "../errors.ts";
import { isPublicAddress } from "./public-address.ts";

export interface DownloadOptions {
  /** Bytes of the file. */
  readonly maxBytes: number;
  /** For everything, redirects included; default 10 s. */
  readonly timeoutMs?: number;
  /** Which IP addresses may be connected to; default: those of the public Internet. */
  readonly isAllowed?: (address: string) => boolean;
  /** Ends the download when the caller goes away. */
  readonly signal?: AbortSignal;
}

const maxRedirects = 5;

/** @throws RequestError when the address is not allowed, does not answer in time, or gives too much. */
export async function downloadSafely(address: string, options: DownloadOptions): Promise<Uint8Array> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 10_000);
  const signal = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout;
  try {
    return await follow(address, { ...options, signal });
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    const reason = timeout.aborted ? "it took too long" : (cause as Error).message;
    throw new RequestError(`${shown(address)}: cannot be downloaded (${reason})`, { cause });
  }
}

type Hop = DownloadOptions & { readonly signal: AbortSignal };

async function follow(address: string, options: Hop): Promise<Uint8Array> {
  let url = checkedUrl(address, address);
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const response = await request(url, options);
    const { statusCode = 0, headers } = response;
    const location = statusCode >= 300 && statusCode < 400 ? headers.location : undefined;
    if (location === undefined) return readBody(response, url, options);
    response.destroy();
    url = checkedUrl(location, address, url);
  }
  throw new RequestError(`${shown(address)}: redirects more than ${maxRedirects} times`);
}

/** @throws RequestError for another scheme than http and https, or a name and password. */
function checkedUrl(text: string, address: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol))
    throw new RequestError(`${shown(address)}: must be an address of http or https, at every redirect`);
  if (url.username || url.password)
    throw new RequestError(`${shown(address)}: must not hold a name and password`);
  return url;
}

async function request(url: URL, { isAllowed = isPublicAddress, signal }: Hop): Promise<IncomingMessage> {
  const found = await allowedAddress(url, isAllowed);
  const connectTo: LookupFunction = (_host, { all }, done) =>
    all ? done(null, [found]) : done(null, found.address, found.family);
  const get = url.protocol === "https:" ? getHttps : getHttp;
  return new Promise((resolve, reject) => {
    get(url, { lookup: connectTo, signal, agent: false, headers: { accept: "image/*" } }, resolve).on(
      "error",
      reject,
    );
  });
}

/** The address of a host. @throws RequestError when any that the host has is not allowed. */
async function allowedAddress(
  { hostname }: URL,
  isAllowed: (address: string) => boolean,
): Promise<{ address: string; family: number }> {
  const host = hostname.replace(/^\[|\]$/g, "");
  const version = isIP(host);
  const addresses = version ? [{ address: host, family: version }] : await lookup(host, { all: true });
  if (addresses.length > 0 && addresses.every(({ address }) => isAllowed(address))) return addresses[0]!;
  throw new RequestError(`${shown(host)}: is not an address of the public Internet; send the picture itself`);
}

async function readBody(response: IncomingMessage, url: URL, { maxBytes }: Hop): Promise<Uint8Array> {
  const { statusCode, headers } = response;
  const fail = (reason: string): never => {
    response.destroy();
    throw new RequestError(`${shown(url.href)}: ${reason}`);
  };
  if (statusCode !== 200) fail(`answers with status ${statusCode}`);
  const tooLarge = `must have at most ${maxBytes} bytes`;
  if (Number(headers["content-length"] ?? 0) > maxBytes) fail(tooLarge);
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) fail(tooLarge);
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

const shown = (address: string): string => address.slice(0, 200);
