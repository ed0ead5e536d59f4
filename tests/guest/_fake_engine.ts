/**
 * An engine that executes the kernel's command line instead of its instructions: one word after another, so that a
 * test can see what the launcher, the console and the platform do without a CPU.
 *
 * `say:TEXT`, `flood:BYTES`, `echo` (until "q"; ^C is shown as "<3>"), `pci:ACCESSES` (each of which is a line of the
 * log), `poweroff`, `reset` (once), `die:WHY`, `throw:WHY`, `hang` (until the machine is stopped),
 * `spin` (for ever, without a look at anything).
 *
 * @module
 */
import type { Engine, EntryState, Machine, StopReason } from "../../lib/engine/engine.ts";
import type { GuestMemory } from "../../lib/memory.ts";

const COM1 = 0x3f8;
const SCRATCH = 7;
const PCI_ADDRESS = 0xcf8;
const LINE_STATUS = COM1 + 5;
const ZERO_PAGE_CMD_LINE = 0x228;
const QUIT = "q".charCodeAt(0);
const NEVER = new Int32Array(new SharedArrayBuffer(4));

/** See the module. */
export class FakeEngine implements Engine {
  readonly #memory: GuestMemory;
  readonly #machine: Machine;
  #words: string[] = [];
  #lives = 0;

  constructor(memory: GuestMemory, machine: Machine) {
    this.#memory = memory;
    this.#machine = machine;
  }

  reset(entry: EntryState): void {
    this.#lives++;
    let address = this.#memory.getUint32(entry.esi + ZERO_PAGE_CMD_LINE);
    let text = "";
    for (let byte; (byte = this.#memory.getUint8(address)) !== 0; address++) text += String.fromCharCode(byte);
    this.#words = text.split(" ");
    // DTR and RTS, FIFO on: a driver is there.
    this.#machine.ports.write(COM1 + 4, 1, 3);
    this.#machine.ports.write(COM1 + 2, 1, 1);
    this.#machine.ports.write(COM1 + SCRATCH, 1, this.#lives);
  }

  run(): StopReason {
    for (const word of this.#words) {
      const [verb, rest = ""] = word.split(":");
      const reason = this.#execute(verb!, rest);
      if (reason) return reason;
    }
    return { kind: "died", message: "the command line came to its end" };
  }

  #execute(verb: string, rest: string): StopReason | undefined {
    switch (verb) {
      case "say":
        return this.#write(rest + "\n");
      case "flood":
        return this.#write("0123456789abcde\n".repeat(Number(rest) / 16));
      case "echo":
        return this.#echo();
      case "pci":
        for (let count = 0; count < Number(rest); count++) this.#machine.ports.write(PCI_ADDRESS, 4, 0);
        return undefined;
      case "reset":
        return this.#lives === 1 ? { kind: "reset" } : undefined;
      case "poweroff":
        return { kind: "poweroff" };
      case "die":
        return { kind: "died", message: rest };
      case "throw":
        throw new Error(rest);
      case "hang":
        while (!this.#machine.stopped) this.#machine.wait();
        return this.#machine.stopped;
      case "spin":
        for (;;) Atomics.wait(NEVER, 0, 0, 1000);
    }
    return undefined;
  }

  #echo(): undefined {
    for (;;) {
      this.#machine.poll();
      // No interrupts here, so nothing that wait() could wait for.
      if ((this.#machine.ports.read(LINE_STATUS, 1) & 1) === 0) Atomics.wait(NEVER, 0, 0, 1);
      while (this.#machine.ports.read(LINE_STATUS, 1) & 1) {
        const byte = this.#machine.ports.read(COM1, 1);
        if (byte === QUIT) return;
        this.#write(byte < 32 && byte !== 10 ? `<${byte}>` : String.fromCharCode(byte));
      }
    }
  }

  #write(text: string): undefined {
    for (let i = 0; i < text.length; i++) {
      this.#machine.ports.write(COM1, 1, text.charCodeAt(i));
      if (i % 16 === 15) this.#machine.poll();
    }
    this.#machine.poll();
  }
}
