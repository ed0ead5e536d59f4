/**
 * Offline stand-in for `@std/path`: the functions this project uses, with the real package's names and signatures.
 *
 * @module
 */
import * as node from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Join path segments and normalise the result. */
export function join(path?: string | URL, ...paths: string[]): string {
  return path === undefined ? "." : node.join(text(path), ...paths);
}

/** The path without its last segment. */
export function dirname(path: string | URL): string {
  return node.dirname(text(path));
}

/** The last segment of a path, without `suffix` if it ends so. */
export function basename(path: string | URL, suffix = ""): string {
  return node.basename(text(path), suffix);
}

/** The extension of the last segment, with its dot. */
export function extname(path: string | URL): string {
  return node.extname(text(path));
}

/** An absolute path made of segments, from right to left, and the current directory. */
export function resolve(...pathSegments: string[]): string {
  return node.resolve(...pathSegments);
}

/** How to get from one path to another. */
export function relative(from: string, to: string): string {
  return node.relative(from, to);
}

/** Whether a path starts at the root. */
export function isAbsolute(path: string): boolean {
  return node.isAbsolute(path);
}

/** A path without `.` and `..` where they can be resolved. */
export function normalize(path: string | URL): string {
  return node.normalize(text(path));
}

/** The path that a `file:` URL names. */
export function fromFileUrl(url: string | URL): string {
  return fileURLToPath(url);
}

/** The `file:` URL of an absolute path. */
export function toFileUrl(path: string): URL {
  return pathToFileURL(path);
}

function text(path: string | URL): string {
  return path instanceof URL ? fileURLToPath(path) : path;
}
