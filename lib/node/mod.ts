/**
 * The library for Node, version 20 or later: the same as `../mod.ts`, on Workers of `node:worker_threads`. A kernel and
 * an initial RAM disk are bytes there, since only Deno reads files for the library; disks, taps and the real lguest
 * device need Deno, too.
 *
 * @module
 */
import "./globals.ts";

export * from "../mod.ts";
