/**
 * The rules of the original `/dev/lguest` (Linux's `drivers/lguest/lguest_user.c`), in front of any Host: reads and
 * writes of the file enter, requests of a {@link LguestDevice} leave; what a Host must refuse is refused with the
 * original's error number. Read next: `host.ts`, what a Host is here; `server_worker.ts`, who puts the two together.
 *
 * @module
 */
import { ERRNO } from "../../../../ffi/library.ts";
import type { GuestMemory } from "../../../../lib/memory.ts";
import type { RegisterName } from "../../../../lib/platform/lguest/device.ts";
import type { Generation } from "../../../../lib/platform/lguest/generation.ts";
import { LGUEST_IRQS, LHREQ, PENDING, REGISTER_OFFSET } from "../../../../lib/platform/lguest/protocol.ts";
import type { Access, FuseFile } from "./fuse.ts";
import { HostRefusal, type StandInExit, type StandInHost } from "./host.ts";

const EFAULT = 14, EBUSY = 16;
const READ_ONLY: ReadonlySet<string> = new Set(["ds", "es", "fs", "gs", "cs", "eflags", "ss"]);

/** What the driver needs. */
export interface DriverParts {
  readonly memory: GuestMemory;
  readonly generation: Generation;
  /** Where the Guest's RAM is in this process, which whoever begins a Guest must say. */
  readonly base: bigint;
  /** Bytes of an `unsigned long`. */
  readonly wordSize: number;
  /** Is called before anything is asked of a Host. */
  beforeHost(): void;
  /** Make a Host for a new Guest. */
  createHost(): StandInHost;
  /** Run it until something comes of it; `undefined` if the read with that number was interrupted. */
  runHost(host: StandInHost, unique: bigint): StandInExit | undefined;
}

/** A Guest of a file that is open. */
interface Guest {
  readonly host: StandInHost;
  /** The only thread that may run it. */
  readonly task: number;
  /** Why it is dead: a text, or an error number. */
  dead?: string | number | undefined;
  /** What the next read gives instead of running it. */
  register?: RegisterName | undefined;
}

/** The file; each time it is opened has a Guest of its own. */
export class LguestDriver implements FuseFile {
  readonly #parts: DriverParts;
  readonly #guests = new Map<number, Guest | undefined>();

  constructor(parts: DriverParts) {
    this.#parts = parts;
  }

  open(handle: number): void {
    this.#guests.set(handle, undefined);
  }

  release(handle: number): void {
    this.#guests.get(handle)?.host.close();
    this.#guests.delete(handle);
  }

  write(handle: number, { task, offset }: Access, bytes: Uint8Array): number {
    const { wordSize, generation } = this.#parts;
    const words = this.#words(bytes);
    this.#parts.beforeHost();
    const [request, first, second] = words;
    if (request === undefined) return -EFAULT;
    const guest = this.#guests.get(handle);
    if (request === BigInt(LHREQ.INITIALIZE)) return this.#initialize(handle, task, words);
    if (!guest || offset > 0) return -ERRNO.EINVAL;
    if (guest.dead !== undefined) return -ERRNO.ENOENT;
    if (first === undefined) return -EFAULT;
    const isPci = generation.transport === "pci";
    switch (Number(request)) {
      case LHREQ.IRQ:
        if (first >= BigInt(LGUEST_IRQS)) return -ERRNO.EINVAL;
        guest.host.raiseInterrupt(Number(first));
        return 0;
      case LHREQ.GETREG: {
        const name = registerAt(first);
        if (!isPci) return -ERRNO.EINVAL;
        if (name === undefined) return -ERRNO.ENOENT;
        guest.register = name;
        return 2 * wordSize;
      }
      case LHREQ.SETREG: {
        const name = registerAt(first);
        if (!isPci) return -ERRNO.EINVAL;
        if (second === undefined) return -EFAULT;
        if (name === undefined || READ_ONLY.has(name)) return -ERRNO.ENOENT;
        guest.host.setRegister(name, Number(second & 0xffff_ffffn));
        return 3 * wordSize;
      }
      case LHREQ.TRAP: {
        if (!isPci || first > 255n || !guest.host.injectTrap(Number(first))) return -ERRNO.EINVAL;
        // The original's Guest may die of it here, where its stack is not writable.
        guest.dead = guest.host.dead;
        return 0;
      }
      default:
        return -ERRNO.EINVAL;
    }
  }

  read(handle: number, { task, offset, unique }: Access, size: number): Uint8Array | number {
    const guest = this.#guests.get(handle);
    if (!guest || offset > 0) return -ERRNO.EINVAL;
    if (guest.task !== task) return -ERRNO.EPERM;
    this.#parts.beforeHost();
    if (typeof guest.dead === "number") return -guest.dead;
    if (guest.dead !== undefined) return new TextEncoder().encode(`${guest.dead}\0`).subarray(0, size);
    if (guest.register !== undefined) {
      const value = guest.host.getRegister(guest.register);
      guest.register = undefined;
      return fitting(this.#word(value), size);
    }
    const exit = this.#parts.runHost(guest.host, unique);
    return exit === undefined ? -ERRNO.EINTR : this.#tell(guest, exit, size);
  }

  #initialize(handle: number, task: number, words: readonly bigint[]): number {
    const { generation, wordSize, base, createHost } = this.#parts;
    if (this.#guests.get(handle)) return -EBUSY;
    const count = generation.transport === "pci" ? 4 : 3;
    if (words.length < 1 + count) return -EFAULT;
    const [, at, pfnLimit, start, deviceLimit = pfnLimit] = words;
    if (at !== base) return -EFAULT;
    // Its memory belongs to the new Guest. (A thread may hold a file that another has closed: RELEASE comes late then.)
    for (const [other, guest] of this.#guests) {
      guest?.host.close();
      this.#guests.set(other, undefined);
    }
    const host = createHost();
    try {
      host.initialize({ pfnLimit: Number(pfnLimit), start: Number(start), deviceLimit: Number(deviceLimit) });
    } catch (error) {
      host.close();
      if (error instanceof HostRefusal) return -error.errno;
      throw error;
    }
    this.#guests.set(handle, { host, task });
    return count * wordSize;
  }

  /** An exit as the original's read gives it. */
  #tell(guest: Guest, exit: StandInExit, size: number): Uint8Array | number {
    const isPci = this.#parts.generation.transport === "pci";
    switch (exit.kind) {
      case "trap": {
        if (!isPci) break;
        const pending = new Uint8Array(PENDING.SIZE);
        pending[PENDING.TRAP] = exit.trap;
        pending.set(exit.instruction, PENDING.INSTRUCTION);
        new DataView(pending.buffer).setUint32(PENDING.ADDRESS, exit.address, true);
        return fitting(pending, size);
      }
      case "notify":
        if (isPci) break;
        return fitting(this.#word(exit.address), size);
      case "restart":
        guest.dead = ERRNO.ERESTART;
        return -ERRNO.ERESTART;
      case "died":
        guest.dead = exit.reason;
        return -ERRNO.ENOENT;
      case "dead by error":
        guest.dead = exit.errno;
        return -ERRNO.ENOENT;
      case "error":
        return -exit.errno;
      case "raw":
        return exit.bytes;
    }
    throw new Error(`A Host of ${this.#parts.generation.name} gave ${JSON.stringify(exit)}`);
  }

  #words(bytes: Uint8Array): bigint[] {
    const { wordSize } = this.#parts;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Array.from(
      { length: Math.floor(bytes.length / wordSize) },
      (_, i) => wordSize === 8 ? view.getBigUint64(8 * i, true) : BigInt(view.getUint32(4 * i, true)),
    );
  }

  #word(value: number): Uint8Array {
    const bytes = new Uint8Array(this.#parts.wordSize);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return bytes;
  }
}

/** The original writes past a buffer that is too short, as far as that is the caller's memory. */
function fitting(bytes: Uint8Array, size: number): Uint8Array | number {
  return bytes.length <= size ? bytes : -EFAULT;
}

function registerAt(offset: bigint): RegisterName | undefined {
  for (const [name, at] of Object.entries(REGISTER_OFFSET)) if (BigInt(at) === offset) return name as RegisterName;
  return undefined;
}
