/**
 * What `lguest doctor` asks the machine: questions come in, plain answers leave, and nothing is changed. In a test
 * something else answers. Read next: `doctor_checks.ts`, who asks.
 *
 * @module
 */
import { openLibrary } from "../../ffi/library.ts";

/** How an attempt to open a file ended; anything else is the system's reason. */
export type OpenResult = "ok" | "missing" | "denied" | { readonly why: string };

/** The machine, as it can be asked. */
export interface Surroundings {
  /** The operating system, in Deno's word: "linux". */
  readonly os: string;
  /** The processor's architecture, in Deno's word: "x86_64". */
  readonly arch: string;
  /** Deno's version. */
  readonly deno: string;
  /** Whether shared memory for threads and WebAssembly can be had. */
  readonly sharedMemory: boolean;
  /** Bytes of memory: all that there is, and what can be had; `undefined` where nobody tells. */
  readonly memory: { readonly total: number; readonly available: number } | undefined;
  /** Whether a WebAssembly module is valid here. */
  validates(module: Uint8Array<ArrayBuffer>): boolean;
  /** Open a file for reading and writing, and close it. */
  tryOpen(path: string): OpenResult;
  /** What a text file says; `undefined` if it cannot be read. */
  readText(path: string): string | undefined;
  /** Whether a program is in a directory of PATH. */
  hasProgram(name: string): boolean;
  /** Why the C library cannot be used, or `undefined` if it can. */
  libraryProblem(path: string | undefined): string | undefined;
}

/** This machine. */
export function hostSurroundings(): Surroundings {
  return {
    os: Deno.build.os,
    arch: Deno.build.arch,
    deno: Deno.version.deno,
    sharedMemory: attempt(() => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer) instanceof
      SharedArrayBuffer,
    memory: memory(),
    validates: (module) => WebAssembly.validate(module),
    tryOpen,
    readText: (path) => attempt(() => Deno.readTextFileSync(path)),
    hasProgram: (name) =>
      (attempt(() => Deno.env.get("PATH")) ?? "").split(":")
        .some((directory) => directory !== "" && attempt(() => Deno.statSync(`${directory}/${name}`).isFile)),
    libraryProblem(path) {
      try {
        openLibrary(path);
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
  };
}

function tryOpen(path: string): OpenResult {
  try {
    Deno.openSync(path, { read: true, write: true }).close();
    return "ok";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "missing";
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) return "denied";
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

/** A container may have less than the machine (Linux, Documentation/admin-guide/cgroup-v2.rst, "memory.max"). */
function memory(): Surroundings["memory"] {
  const info = attempt(() => Deno.systemMemoryInfo());
  if (!info) return undefined;
  const number = (path: string) => Number.parseInt(attempt(() => Deno.readTextFileSync(path)) ?? "", 10);
  const most = number("/sys/fs/cgroup/memory.max"), used = number("/sys/fs/cgroup/memory.current");
  if (Number.isNaN(most)) return { total: info.total, available: info.available };
  return {
    total: Math.min(info.total, most),
    available: Math.min(info.available, Math.max(most - (used || 0), 0)),
  };
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
