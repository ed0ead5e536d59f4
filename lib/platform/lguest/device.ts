/**
 * The protocol of `/dev/lguest`, as an interface: what a Launcher asks of a Host, and what it hears.
 *
 * A Launcher initializes the device with the Guest's memory and first instruction, then calls {@link LguestDevice.run}
 * again and again; each call executes the Guest until something needs the Launcher: an {@link LguestExit}. Between two
 * calls it may look at registers, change them, inject a trap or raise interrupts. There are two Hosts: the real one
 * behind a character device (`char_device.ts`), and our own on the built-in CPU (`soft_host.ts`). All above them is one
 * code path. Read next: `launcher.ts` (who calls this), `protocol.ts` (the numbers).
 *
 * @module
 */

/** Where Linux has the device. */
export const LGUEST_PATH = "/dev/lguest";

/** Registers by their names in the kernel's `struct pt_regs` for i386. */
export type RegisterName =
  | "ebx"
  | "ecx"
  | "edx"
  | "esi"
  | "edi"
  | "ebp"
  | "eax"
  | "ds"
  | "es"
  | "fs"
  | "gs"
  | "eip"
  | "cs"
  | "eflags"
  | "esp"
  | "ss";

/** With what a Guest begins. */
export interface LguestStart {
  /** Guest-physical page frames below this are RAM, or the device pages above it (before Linux 4.0). */
  readonly pfnLimit: number;
  /** Guest-physical address of the first instruction; paging is linear until the Guest says otherwise. */
  readonly start: number;
  /** Page frames from {@link pfnLimit} up to this are devices' registers (Linux 4.0 and later; else `pfnLimit`). */
  readonly deviceLimit: number;
}

/** Why {@link LguestDevice.run} came back. */
export type LguestExit =
  /**
   * The Guest's kernel executed an instruction that the Launcher must emulate (Linux 4.0 and later): a general
   * protection fault (13) or an access to a device's page (14), which is at a Guest-physical address.
   */
  | {
    readonly kind: "trap";
    readonly trap: number;
    /** The first 7 bytes of the instruction, until the next run; zeros where its page is not there. */
    readonly instruction: Uint8Array;
    readonly address: number;
  }
  /** The Guest notified a Guest-physical address (before Linux 4.0). */
  | { readonly kind: "notify"; readonly address: number }
  /** Something outside wants this thread; nothing happened in the Guest. */
  | { readonly kind: "interrupted" }
  /** The Guest is dead, and this is the Host's reason. */
  | { readonly kind: "died"; readonly reason: string }
  /** The Guest asked to be started again. */
  | { readonly kind: "restart" };

/** A Host, with one Guest of one virtual CPU. */
export interface LguestDevice {
  /**
   * Begin a Guest, or begin again with a new one: what came before is forgotten.
   *
   * @throws {GuestError} if the Host refuses
   */
  initialize(start: LguestStart): void;
  /** Run the Guest until something needs the Launcher. A dead Guest gives the same reason again. */
  run(): LguestExit;
  /** A register's value, unsigned 32 bits. Linux 4.0 and later. */
  getRegister(name: RegisterName): number;
  /** Set a general register, ESP or EIP; the Host refuses the others. Linux 4.0 and later. */
  setRegister(name: RegisterName, value: number): void;
  /**
   * Have the Guest take a trap (13 or 14, no error code of its own) before its next instruction. Linux 4.0 and later.
   *
   * @returns whether it has a handler for it
   */
  injectTrap(vector: number): boolean;
  /** Raise an interrupt, 0 to 31; it stays pending until the Guest takes it. */
  raiseInterrupt(irq: number): void;
  /** End the Guest and release what was opened. */
  close(): void;
}
