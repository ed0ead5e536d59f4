/**
 * The real Host, behind a character device: requests of a {@link LguestDevice} enter and become system calls on
 * `/dev/lguest` through the C library; what the Host answers leaves as exits and values.
 *
 * The device speaks in words of the host's `unsigned long`. The file's offset says which virtual CPU is meant, always
 * number 0 here. Only the thread that began a Guest may run it (Linux's `drivers/lguest/lguest_user.c` remembers the
 * task), so all of this happens in one thread, and a read blocks that thread while the Guest runs; `kicker.ts` has it
 * interrupted when somebody wants the thread's attention.
 *
 * Why no eventfds, which Linux 2.6.31 to 3.19 offers (LHREQ_EVENTFD): they carry a Guest's NOTIFY to a thread that
 * serves the device. Our devices are served by the thread that runs the Guest, and an address that no eventfd is
 * registered for comes back from its read: that is what is wanted.
 *
 * Read next: `device.ts`, what is asked of this; `soft_host.ts`, the other Host.
 *
 * @module
 */
import { basename, dirname } from "@std/path";
import { AT_FDCWD, cString, ERRNO, type Library, O_PATH, O_RDWR, openLibrary, strerror } from "../../../ffi/library.ts";
import { GuestError } from "../../guest_error.ts";
import type { GuestMemory } from "../../memory.ts";
import { LGUEST_PATH, type LguestDevice, type LguestExit, type LguestStart, type RegisterName } from "./device.ts";
import type { Generation } from "./generation.ts";
import { KICK } from "./kicker.ts";
import { INSTRUCTION_BYTES, LHREQ, PENDING, REGISTER_OFFSET } from "./protocol.ts";

/** With what a {@link CharDevice} works. */
export interface CharDeviceOptions {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** Which version of the protocol the Host behind the file speaks. */
  readonly generation: Generation;
  /** The device's file; {@link LGUEST_PATH} unless given. */
  readonly path?: string;
  /** By which word this thread is asked to look; the memory's unless given. */
  readonly attention?: Int32Array<SharedArrayBuffer>;
  /** What `startKicker()` gave; without it nothing interrupts a Guest that runs. */
  readonly kick?: SharedArrayBuffer;
  /** The C library's file, if a user named it. */
  readonly library?: string;
}

/** The virtual CPU that is meant: lguest never had more than one. */
const CPU = 0;
const PAGE = 4096;
/** The original Launcher reads a dead Guest's reason into this much. */
const REASON_BYTES = 1023;
/** Exceptions have lower numbers, and a text begins with none of these characters. */
const FIRST_TEXT = 32;

const INTERRUPTED: LguestExit = { kind: "interrupted" };
const RESTART: LguestExit = { kind: "restart" };

/** A Guest on the Host that Linux has. */
export class CharDevice implements LguestDevice {
  readonly #calls: Library;
  readonly #path: string;
  readonly #memory: GuestMemory;
  readonly #generation: Generation;
  readonly #attention: Int32Array<SharedArrayBuffer>;
  readonly #kick: Int32Array<SharedArrayBuffer> | undefined;
  readonly #thread: number;
  readonly #wordSize: number;
  /** The Guest's RAM in this process. */
  readonly #base: bigint;
  #directory: number;
  #file: number = -ERRNO.EBADF;
  /** The file that is open has had its Guest: it takes no other one. */
  #isUsed = false;
  #died: LguestExit | undefined;
  /** What is written. */
  readonly #request = new DataView(new ArrayBuffer(64));
  /** What was read. */
  readonly #reply = new DataView(new ArrayBuffer(REASON_BYTES));
  readonly #requestBytes = new Uint8Array(this.#request.buffer);
  readonly #replyBytes = new Uint8Array(this.#reply.buffer);

  /**
   * Open the device, in the thread that will run the Guest.
   *
   * @throws {GuestError} if there is none, or it may not be opened
   */
  constructor(
    { memory, generation, path = LGUEST_PATH, attention = memory.attention, kick, library }: CharDeviceOptions,
  ) {
    this.#calls = openLibrary(library);
    this.#path = path;
    this.#memory = memory;
    this.#generation = generation;
    this.#attention = attention;
    this.#kick = kick && new Int32Array(kick);
    this.#thread = this.#calls.lguest_gettid();
    this.#wordSize = this.#calls.lguest_long_size();
    this.#base = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory.bytes)));
    this.#directory = this.#openDirectory();
    try {
      this.#open();
      this.#checkFile();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  initialize(start: LguestStart): void {
    const end = this.#memory.base + start.pfnLimit * PAGE;
    if (end > this.#memory.memory.buffer.byteLength) {
      // The Host would let the Guest into whatever this process has behind its RAM.
      throw new RangeError(`Cannot give a Guest ${start.pfnLimit} pages: its memory has fewer`);
    }
    // A Host serves one Guest for each time that its device is opened: EBUSY for the next one.
    if (this.#isUsed) this.#open();
    this.#isUsed = true;
    this.#died = undefined;
    const words = [LHREQ.INITIALIZE, this.#base, start.pfnLimit, start.start];
    if (this.#generation.transport === "pci") words.push(start.deviceLimit);
    const result = this.#write(...words);
    if (result < 0) throw this.#failed("begin a Guest", result);
  }

  run(): LguestExit {
    if (this.#died) return this.#died;
    const isPci = this.#generation.transport === "pci";
    const size = isPci ? PENDING.SIZE : this.#wordSize;
    const count = this.#readInterruptibly(size);
    // EAGAIN is what the oldest Hosts say when another thread wants this one.
    if (count === -ERRNO.EINTR || count === -ERRNO.EAGAIN) return INTERRUPTED;
    if (count === -ERRNO.ERESTART) return RESTART;
    if (count === -ERRNO.ENOENT) return this.#die();
    if (count < 0) throw this.#failed("run the Guest", count);
    if (count === 0) throw this.#noDevice("a read gives nothing");
    if (!isPci && count === size) return { kind: "notify", address: this.#word() };
    // A Guest that died of a trap we injected: what was read is the beginning of the reason, not an exit.
    if (count < size || this.#reply.getUint8(PENDING.TRAP) >= FIRST_TEXT) return this.#die();
    return {
      kind: "trap",
      trap: this.#reply.getUint8(PENDING.TRAP),
      instruction: this.#replyBytes.slice(PENDING.INSTRUCTION, PENDING.INSTRUCTION + INSTRUCTION_BYTES),
      address: this.#reply.getUint32(PENDING.ADDRESS, true),
    };
  }

  /** A dead Guest's registers are 0: {@link run} tells that it is dead. */
  getRegister(name: RegisterName): number {
    this.#needTraps("registers");
    const result = this.#write(LHREQ.GETREG, REGISTER_OFFSET[name]);
    // All names are right, so that there is no such register cannot be meant.
    if (result === -ERRNO.ENOENT) return 0;
    if (result < 0) throw this.#failed(`tell register ${name}`, result);
    const count = this.#read(this.#wordSize);
    if (count < 0) throw this.#failed(`tell register ${name}`, count);
    if (count < 4) throw this.#noDevice(`register ${name} has ${count} bytes`);
    return this.#word();
  }

  /** A dead Guest's registers stay as they are: {@link run} tells that it is dead. */
  setRegister(name: RegisterName, value: number): void {
    this.#needTraps("registers");
    const result = this.#write(LHREQ.SETREG, REGISTER_OFFSET[name], value >>> 0);
    if (result === -ERRNO.ENOENT && SETTABLE.has(name)) return;
    if (result < 0) throw this.#failed(`set register ${name}`, result);
  }

  /** A dead Guest takes it: {@link run} tells that it is dead. */
  injectTrap(vector: number): boolean {
    this.#needTraps("traps to inject");
    const result = this.#write(LHREQ.TRAP, vector);
    if (result === -ERRNO.EINVAL) return false;
    if (result < 0 && result !== -ERRNO.ENOENT) throw this.#failed(`inject trap ${vector}`, result);
    return true;
  }

  /** A dead Guest takes it: {@link run} tells that it is dead. */
  raiseInterrupt(irq: number): void {
    const result = this.#write(LHREQ.IRQ, irq);
    if (result < 0 && result !== -ERRNO.ENOENT) throw this.#failed(`raise interrupt ${irq}`, result);
  }

  close(): void {
    for (const fd of [this.#file, this.#directory]) if (fd >= 0) this.#calls.lguest_close(fd);
    this.#file = this.#directory = -ERRNO.EBADF;
  }

  /** The Guest is dead: ask why. */
  #die(): LguestExit {
    const count = this.#read(REASON_BYTES);
    let reason = "the Host gives no reason";
    if (count < 0) {
      // A Host that had no memory for the text, say.
      reason = strerror(this.#calls, count);
    } else if (count > 0) {
      const bytes = this.#replyBytes.subarray(0, count);
      const end = bytes.indexOf(0);
      reason = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
    }
    return this.#died = { kind: "died", reason };
  }

  /** The directory stays open, since a Guest that restarts needs the device opened again, maybe after a `chroot()`. */
  #openDirectory(): number {
    const directory = cString(dirname(this.#path));
    // One that nothing else can be reached from, if the system has such; that needs the rights that `chroot()` needs.
    const tree = this.#calls.lguest_open_tree(directory);
    return tree >= 0 ? tree : this.#calls.lguest_openat(AT_FDCWD, directory, O_PATH);
  }

  #open(): void {
    if (this.#file >= 0) this.#calls.lguest_close(this.#file);
    // Where even the directory is missing its error number is what opening the file gives, too.
    this.#file = this.#directory < 0
      ? this.#directory
      : this.#calls.lguest_openat(this.#directory, cString(basename(this.#path)), O_RDWR);
    if (this.#file < 0) throw new GuestError(this.#whyNotOpen(this.#file));
    this.#isUsed = false;
  }

  /** What to do where it cannot be opened. */
  #whyNotOpen(error: number): string {
    const { EACCES, ENODEV, ENOENT, ENXIO, EPERM } = ERRNO;
    const mayNot = error === -EACCES || error === -EPERM;
    if (this.#isUsed) {
      const what = `"${this.#path}" cannot be opened again to restart the Guest: ${strerror(this.#calls, error)}`;
      return mayNot ? `${what}; let the user that --username names open it, or start without --username` : what;
    }
    if (error === -ENOENT) return `"${this.#path}" does not exist: this Linux has no lguest; use --engine=soft`;
    const what = `"${this.#path}" cannot be opened: ${strerror(this.#calls, error)}`;
    if (mayNot) return `${what}; start lguest as root, or use --engine=soft`;
    if (error === -ENODEV || error === -ENXIO) return `${what}; load the kernel's module "lg", or use --engine=soft`;
    return `${what}; use --engine=soft`;
  }

  /** A name mistyped must not have the first words of somebody's disk overwritten. */
  #checkFile(): void {
    const { isCharDevice, isFile, size } = Deno.statSync(this.#path);
    if (!isCharDevice && !(isFile && size === 0)) throw this.#noDevice("it holds something else");
  }

  #write(...words: (number | bigint)[]): number {
    words.forEach((word, index) => {
      if (this.#wordSize === 8) this.#request.setBigUint64(8 * index, BigInt(word), true);
      else this.#request.setUint32(4 * index, Number(word), true);
    });
    for (;;) {
      const result = this.#calls.lguest_pwrite(this.#file, this.#requestBytes, words.length * this.#wordSize, CPU);
      if (result !== -ERRNO.EINTR) return result;
    }
  }

  /** A read that runs no Guest, and so ends soon. */
  #read(length: number): number {
    for (;;) {
      const result = this.#calls.lguest_pread(this.#file, this.#replyBytes, length, CPU);
      if (result !== -ERRNO.EINTR) return result;
    }
  }

  /** A read that runs the Guest, until it needs something or somebody wants this thread. */
  #readInterruptibly(length: number): number {
    const kick = this.#kick;
    if (kick) {
      Atomics.store(kick, KICK.THREAD, this.#thread);
      Atomics.notify(kick, KICK.THREAD);
    }
    // From here on somebody who wants this thread gets it by a signal; who came before is seen now.
    const result = Atomics.load(this.#attention, 0) === 0
      ? this.#calls.lguest_pread(this.#file, this.#replyBytes, length, CPU)
      : -ERRNO.EINTR;
    if (kick) Atomics.store(kick, KICK.THREAD, 0);
    return result;
  }

  /** The first word that was read, whose upper half says nothing about a Guest of 32 bits. */
  #word(): number {
    return this.#reply.getUint32(0, true);
  }

  #needTraps(what: string): void {
    if (this.#generation.transport !== "pci") {
      throw new Error(`Lguest of Linux ${this.#generation.versions} has no ${what}`);
    }
  }

  #failed(what: string, result: number): GuestError {
    return new GuestError(`"${this.#path}" does not ${what}: ${strerror(this.#calls, result)}`);
  }

  #noDevice(why: string): GuestError {
    return new GuestError(`"${this.#path}" is no lguest device (${why}): name another one, or use --engine=soft`);
  }
}

/** Registers that a Host lets a Launcher set. */
const SETTABLE: ReadonlySet<RegisterName> = new Set(
  ["ebx", "ecx", "edx", "esi", "edi", "ebp", "eax", "eip", "esp"] as const,
);
