/**
 * The two machines that the x87 tests compare: our handlers on a bare {@link Cpu}, and the processor underneath through
 * `native/x87.c`. Read next: `x87_oracle_test.ts`.
 *
 * @module
 */
import { fxrstor, fxsave, X87_HANDLERS } from "../../lib/engine/soft/interp/x87/mod.ts";
import type { Machine } from "../../lib/engine/engine.ts";
import { CR0_ET, CR0_NE, CR0_PE, CR4_OSFXSR, SEG_BIG } from "../../lib/engine/soft/control_bits.ts";
import { Cpu } from "../../lib/engine/soft/cpu.ts";
import { CpuFault } from "../../lib/engine/soft/fault.ts";
import { type Handler, Insn } from "../../lib/engine/soft/insn.ts";
import { EAX, ESI } from "../../lib/engine/soft/state.ts";
import { GuestMemory } from "../../lib/memory.ts";
import {
  AT_CODE,
  AT_CONTROL,
  AT_EAX,
  AT_EFLAGS,
  AT_LENGTH,
  AT_MEMORY,
  AT_REGISTERS,
  AT_TAGS,
  RECORD,
} from "./x87_cases.ts";

/** Where the test's memory operand stands in the Guest. */
export const OPERAND = 0x2000;
const IMAGE = 0x4000;
/** Signals that the native program reports. */
const SIGILL = 4, SIGFPE = 8;

/** A CPU in flat protected mode without paging. */
export function makeCpu(): Cpu {
  const cpu = new Cpu(GuestMemory.allocate(0x1_0000), {} as unknown as Machine);
  cpu.cr0 = CR0_PE | CR0_ET | CR0_NE;
  cpu.cr4 = CR4_OSFXSR;
  cpu.limits.fill(0xffff_ffff);
  cpu.accesses.fill(0x93 | SEG_BIG);
  cpu.accesses[1] = 0x9b | SEG_BIG;
  cpu.updateMode();
  return cpu;
}

/** An instruction as the decoder would make it, its memory operand at [ESI]. */
export function makeInsn(first: number, modrm: number, size = 4): Insn {
  const insn = new Insn();
  insn.size = size;
  insn.code = (first & 7) << 8 | modrm;
  insn.reg = modrm >> 3 & 7;
  insn.mem = modrm < 0xc0;
  if (insn.mem) insn.base = ESI;
  else insn.rm = modrm & 7;
  return insn;
}

/** Its handler. */
export function handlerOf(insn: Insn): Handler | undefined {
  return X87_HANDLERS[insn.code];
}

/** Execute a record's instruction on our CPU, and turn the record into what the native program would return. */
export function runOurs(cpu: Cpu, record: DataView): void {
  const bytes = new Uint8Array(record.buffer, record.byteOffset, RECORD);
  const image = cpu.memory.slice(IMAGE, 512);
  const saver = makeInsn(0, 6);
  image.fill(0);
  cpu.memory.write(IMAGE, bytes.subarray(AT_CONTROL, AT_TAGS + 1));
  cpu.memory.write(IMAGE + 32, bytes.subarray(AT_REGISTERS, AT_MEMORY));
  cpu.setReg(ESI, IMAGE);
  fxrstor(cpu, saver);
  cpu.memory.write(OPERAND, bytes.subarray(AT_MEMORY));
  cpu.setReg(ESI, OPERAND);
  cpu.setReg(EAX, 0);
  cpu.flags = record.getUint32(AT_EFLAGS, true);
  const narrow = record.getUint8(AT_CODE) === 0x66 ? 1 : 0;
  const insn = makeInsn(record.getUint8(AT_CODE + narrow), record.getUint8(AT_CODE + narrow + 1), narrow ? 2 : 4);
  const handler = handlerOf(insn);
  record.setUint8(AT_LENGTH, 0);
  if (!handler) return record.setUint8(AT_LENGTH, SIGILL);
  try {
    handler(cpu, insn);
  } catch (error) {
    if (!(error instanceof CpuFault)) throw error;
    return record.setUint8(AT_LENGTH, SIGFPE);
  }
  bytes.set(cpu.memory.slice(OPERAND, RECORD - AT_MEMORY), AT_MEMORY);
  cpu.setReg(ESI, IMAGE);
  fxsave(cpu, saver);
  bytes.set(image.subarray(0, 5), AT_CONTROL);
  bytes.set(image.subarray(32, 160), AT_REGISTERS);
  record.setUint32(AT_EFLAGS, cpu.flags, true);
  record.setUint32(AT_EAX, cpu.reg(EAX), true);
}

/**
 * Whether the processor underneath can be asked: x86-64, a C compiler, the permissions to run it and to read
 * `LGUEST_SEED`.
 */
export function hasNative(): boolean {
  if (Deno.build.arch !== "x86_64" || Deno.build.os !== "linux") return false;
  for (const name of ["run", "read", "write", "env"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "granted") return false;
  }
  try {
    return new Deno.Command("gcc", { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Compile `native/x87.c`, run it over the records, return what it wrote. */
export async function runNative(records: Uint8Array): Promise<Uint8Array> {
  const directory = await Deno.makeTempDir();
  try {
    const program = `${directory}/x87`;
    const source = new URL("./native/x87.c", import.meta.url).pathname;
    const built = await new Deno.Command("gcc", { args: ["-O1", "-Wall", "-o", program, source] }).output();
    if (!built.success) throw new Error(`Cannot compile ${source}: ${new TextDecoder().decode(built.stderr)}`);
    const child = new Deno.Command(program, { stdin: "piped", stdout: "piped", stderr: "inherit" }).spawn();
    const feed = new Blob([records as Uint8Array<ArrayBuffer>]).stream().pipeTo(child.stdin);
    const { stdout, success } = await child.output();
    await feed;
    if (!success || stdout.length !== records.length) throw new Error("The native x87 program failed");
    return stdout;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
