/**
 * The parts of a Guest for Node, version 20 or later: the same as `../parts.ts`.
 *
 * @module
 */
import "./globals.ts";

export * from "../parts.ts";
