/**
 * What `lguest doctor` looks at, one function each: the answers of a machine come in, a {@link Check} leaves that says
 * what is there and what to do about what is not. Read next: `doctor.ts`, which prints them.
 *
 * @module
 */
import { MAX_RAM } from "../memory.ts";
import type { OpenResult, Surroundings } from "./doctor_host.ts";

/**
 * How it stands: as it should be; there, but not all that it could be; not there; or so that nothing can be run at all.
 */
export type CheckState = "ok" | "limited" | "none" | "failed";

/** What was found out about one thing. */
export interface Check {
  /** The thing. */
  readonly name: string;
  /** How it stands. */
  readonly state: CheckState;
  /** What was found. */
  readonly found: string;
  /** What to do about it; absent if there is nothing to be done. */
  readonly advice?: string;
}

/** The files that a user may name. */
export interface DoctorOptions {
  /** The C library. */
  readonly library?: string | undefined;
  /** The lguest device. */
  readonly device?: string | undefined;
}

/** The version of Deno that everything is tested with. */
const TESTED_DENO = [2, 9] as const;
/** What the program takes beside the Guest's RAM (measured: `deno task bench`, memory beyond RAM). */
const OWN_MEMORY = 400 * 2 ** 20;
/** The least RAM that Linux makes something of. */
const SMALL_GUEST = 64 * 2 ** 20;

/** Capabilities, by bit (Linux, include/uapi/linux/capability.h). */
const CAP = { SETGID: 6, SETUID: 7, NET_ADMIN: 12, SYS_CHROOT: 18 } as const;

/** A module of one function (WebAssembly specification, §5.5) whose body is `instructions`. */
function moduleOf(...instructions: number[]): Uint8Array<ArrayBuffer> {
  const body = [0, ...instructions, 0x0b];
  const code = [1, body.length, ...body];
  return Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, code.length, ...code);
}

/** What generated code uses beyond WebAssembly 1.0: `return_call 0`; `v128.const 0`, `drop`. */
const FEATURES = [
  ["tail calls", moduleOf(0x12, 0)],
  ["SIMD", moduleOf(0xfd, 12, ...new Array<number>(16).fill(0), 0x1a)],
] as const;

/** Look at everything, in the order in which it matters. */
export function runChecks(host: Surroundings, options: DoctorOptions = {}): Check[] {
  return [
    checkSystem(host),
    checkDeno(host),
    checkWebAssembly(host),
    checkMemory(host),
    checkLibrary(host, options.library),
    checkTaps(host),
    checkPrivileges(host),
    checkKvm(host),
    checkLguest(host, options.device ?? "/dev/lguest"),
  ];
}

function checkSystem({ os, arch }: Surroundings): Check {
  const name = "System";
  if (os === "linux") return { name, state: "ok", found: `Linux, ${arch}` };
  return {
    name,
    state: "limited",
    found: `${os}, ${arch}: no taps, no --chroot, no --username; only Linux is tested`,
    advice: "use Linux for those, in a virtual machine if need be",
  };
}

function checkDeno({ deno }: Surroundings): Check {
  const name = "Deno";
  const tested = TESTED_DENO.join(".");
  const [major = 0, minor = 0] = deno.split(".").map(Number);
  const [wantedMajor, wantedMinor] = TESTED_DENO;
  const difference = major - wantedMajor || minor - wantedMinor;
  if (difference === 0) return { name, state: "ok", found: `${deno}; ${tested} is tested` };
  return {
    name,
    state: "limited",
    found: `${deno}, ${difference < 0 ? "older" : "newer"} than ${tested}, which is tested`,
    advice: difference < 0 ? "upgrade Deno: deno upgrade" : `if something fails, try Deno ${tested}`,
  };
}

function checkWebAssembly({ sharedMemory, validates }: Surroundings): Check {
  const name = "WebAssembly";
  const missing = FEATURES.filter(([, module]) => !validates(module)).map(([feature]) => feature as string);
  if (!sharedMemory) missing.unshift("shared memory");
  if (missing.length === 0) return { name, state: "ok", found: "shared memory, tail calls, SIMD" };
  return {
    name,
    state: "failed",
    found: `lacks ${missing.join(", ")}, which the built-in CPU needs`,
    advice: `use Deno ${TESTED_DENO.join(".")} without V8 flags that switch this off`,
  };
}

function checkMemory({ memory }: Surroundings): Check {
  const name = "Memory";
  if (!memory) return { name, state: "limited", found: "the system does not tell how much there is" };
  const mib = (bytes: number) => Math.floor(bytes / 2 ** 20);
  const room = Math.max(memory.available - OWN_MEMORY, 0);
  const found = `${mib(memory.available)} of ${mib(memory.total)} MiB can be had`;
  if (room >= SMALL_GUEST) {
    return { name, state: "ok", found: `${found}: Guests of up to about ${mib(Math.min(room, MAX_RAM))} MiB` };
  }
  return {
    name,
    state: "limited",
    found,
    advice: `free some: the program itself takes up to ${mib(OWN_MEMORY)} MiB beside the Guest's`,
  };
}

function checkLibrary(host: Surroundings, path: string | undefined): Check {
  const name = "C library";
  if (host.os !== "linux") return { name, state: "none", found: "only Linux has use for it" };
  const problem = host.libraryProblem(path);
  if (problem === undefined) return { name, state: "ok", found: "for --tunnet, --chroot and --username" };
  const build = problem.includes("deno task build") ? undefined : "build it anew: deno task build";
  const advice = host.hasProgram("cc") ? build : "a C compiler for that: apt install gcc libc6-dev, on Debian";
  return { name, state: "none", found: problem, ...(advice !== undefined && { advice }) };
}

function checkTaps(host: Surroundings): Check {
  const name = "Taps";
  if (host.os !== "linux") return { name, state: "none", found: "only Linux has them" };
  const device = host.tryOpen("/dev/net/tun");
  if (device === "missing") {
    const advice = "as root: modprobe tun; a container must be given the device /dev/net/tun";
    return { name, state: "none", found: "no /dev/net/tun", advice };
  }
  const advice = "for --tunnet start lguest as root, or with CAP_NET_ADMIN";
  if (device !== "ok") return { name, state: "none", found: `/dev/net/tun ${unopened(device)}`, advice };
  if (has(host, CAP.NET_ADMIN)) return { name, state: "ok", found: "/dev/net/tun, and CAP_NET_ADMIN" };
  return { name, state: "none", found: "/dev/net/tun, but not CAP_NET_ADMIN", advice };
}

function checkPrivileges(host: Surroundings): Check {
  const name = "Privileges";
  if (host.os !== "linux") return { name, state: "none", found: "--username and --chroot need Linux" };
  const wanted = [["--username", CAP.SETUID], ["--username", CAP.SETGID], ["--chroot", CAP.SYS_CHROOT]] as const;
  const missing = new Set(wanted.filter(([, capability]) => !has(host, capability)).map(([option]) => option));
  if (missing.size === 0) return { name, state: "ok", found: "enough for --username and --chroot" };
  return {
    name,
    state: missing.size === 1 ? "limited" : "none",
    found: `not enough for ${[...missing].join(" and ")}`,
    advice: "start lguest as root, if you want to give that up",
  };
}

/** A processor without VMX and SVM has no KVM of its own: what answers at `/dev/kvm` then is a program. */
function checkKvm(host: Surroundings): Check {
  const name = "KVM";
  const unused = "nothing to do: this version does not use it";
  const device = host.os === "linux" ? host.tryOpen("/dev/kvm") : "missing";
  if (device === "missing") return { name, state: "none", found: "no /dev/kvm", advice: unused };
  if (device !== "ok") return { name, state: "none", found: `/dev/kvm ${unopened(device)}`, advice: unused };
  const flags = /^flags\s*:(.*)$/m.exec(host.readText("/proc/cpuinfo") ?? "")?.[1] ?? "";
  const hardware = /\bvmx\b/.test(flags) ? "VMX" : /\bsvm\b/.test(flags) ? "SVM" : undefined;
  if (hardware) return { name, state: "ok", found: `/dev/kvm, real: the processor has ${hardware}`, advice: unused };
  const found = "/dev/kvm, in software only: the processor shows neither VMX nor SVM";
  return { name, state: "limited", found, advice: unused };
}

function checkLguest(host: Surroundings, path: string): Check {
  const name = "lguest device";
  const software = "nothing to do: --platform=lguest does without it";
  const device = host.os === "linux" ? host.tryOpen(path) : "missing";
  if (device === "ok") return { name, state: "ok", found: path, advice: "--engine=lguest uses it" };
  if (device === "missing") {
    return { name, state: "none", found: `no ${path}: Linux has none since 4.14`, advice: software };
  }
  return { name, state: "none", found: `${path} ${unopened(device)}`, advice: "start lguest as root to use it" };
}

function unopened(result: Exclude<OpenResult, "ok" | "missing">): string {
  return result === "denied" ? "is there, but not for this user" : `cannot be opened: ${result.why}`;
}

/** Whether this process has a capability (proc_pid_status(5), "CapEff"). */
function has(host: Surroundings, capability: number): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(host.readText("/proc/self/status") ?? "")?.[1] ?? "0";
  return (BigInt(`0x${mask}`) >> BigInt(capability) & 1n) === 1n;
}
