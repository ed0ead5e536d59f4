/**
 * A kernel of a few instructions that talks by the serial port, so that what is around a Guest can be tried without
 * Linux: it writes "ready" and then echoes what is typed, but for a few letters that it obeys.
 */
import { tinyKernel } from "../guest/_kernel.ts";

/** How many bytes "f" writes. */
export const FLOOD = 3 << 20;

const CODE_AT = 84;

/** Writes as machine code, with labels. */
class Code {
  readonly #bytes: (number | string)[] = [];
  readonly #labels = new Map<string, number>();

  /** Bytes as they are. */
  emit(...bytes: number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  /** A jump with an offset of 32 bits behind these bytes. */
  jump(label: string, ...bytes: number[]): this {
    this.#bytes.push(...bytes, label, 0, 0, 0);
    return this;
  }

  label(name: string): this {
    this.#labels.set(name, this.#bytes.length);
    return this;
  }

  toBytes(): Uint8Array {
    const bytes = Uint8Array.from(this.#bytes, (item) => typeof item === "number" ? item : 0);
    for (const [at, item] of this.#bytes.entries()) {
      if (typeof item === "string") new DataView(bytes.buffer).setInt32(at, this.#labels.get(item)! - at - 4, true);
    }
    return bytes;
  }
}

const ascii = (letter: string) => letter.charCodeAt(0);
/** mov dx, port */
const toDx = (port: number) => [0x66, 0xba, port & 0xff, port >> 8];
const OUT = 0xee, IN = 0xec;
const JE = [0x0f, 0x84], JMP = [0xe9];

/**
 * Make the kernel. It obeys "q" (powers off), "r" (resets), "d" (jumps to where there is no memory) and "f" (writes
 * {@link FLOOD} times "#"); everything else comes back.
 */
export function echoKernel(): Uint8Array<ArrayBuffer> {
  const code = new Code();
  // FIFO on, DTR and RTS: a driver is there.
  code.emit(...toDx(0x3fa), 0xb0, 1, OUT, ...toDx(0x3fc), 0xb0, 3, OUT, ...toDx(0x3f8));
  for (const letter of "ready\r\n") code.emit(0xb0, ascii(letter), OUT);
  code.label("next").emit(...toDx(0x3fd)).label("poll").emit(IN, 0xa8, 1).jump("poll", 0x0f, 0x84);
  code.emit(...toDx(0x3f8), IN);
  for (const letter of "qrdf") code.emit(0x3c, ascii(letter)).jump(letter, ...JE);
  code.emit(OUT).jump("next", ...JMP);
  // mov ax, SLP_TYP 5 and SLP_EN; out dx, ax
  code.label("q").emit(...toDx(0x604), 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef).jump("q", ...JMP);
  code.label("r").emit(...toDx(0x64), 0xb0, 0xfe, OUT).jump("r", ...JMP);
  // jmp 0x70000000
  code.label("d").emit(0xb8, 0, 0, 0, 0x70, 0xff, 0xe0);
  // mov ecx, FLOOD; mov al, "#"; out dx, al; loop
  code.label("f").emit(0xb9, FLOOD & 0xff, FLOOD >> 8 & 0xff, FLOOD >> 16 & 0xff, 0, 0xb0, ascii("#"), OUT, 0xe2, 0xfd);
  code.jump("next", ...JMP);
  const bytes = code.toBytes();
  const kernel = new Uint8Array(CODE_AT + bytes.length);
  kernel.set(tinyKernel().subarray(0, CODE_AT));
  kernel.set(bytes, CODE_AT);
  const view = new DataView(kernel.buffer);
  for (const at of [52 + 16, 52 + 20]) view.setUint32(at, bytes.length, true);
  return kernel;
}
