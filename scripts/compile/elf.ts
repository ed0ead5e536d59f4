/**
 * Appends a segment to a program in the ELF format and makes it begin there. The segment takes the place of the table
 * entry PT_NOTE, which holds the linker's build number and nothing that is needed to run.
 *
 * A program's bytes enter: 64 bits, x86-64, for the GNU C library. Where the segment will lie, and what its code must
 * know, leaves as {@link ElfPlan}; then the changed program. Names are those of the System V ABI, chapters 4 and 5, and
 * of its supplement for x86-64. Read next: `entry.S`, the segment's code.
 *
 * @module
 */

const EI_CLASS = 4, ELFCLASS64 = 2, EM_X86_64 = 62;
const E_MACHINE = 18, E_ENTRY = 24, E_PHOFF = 32, E_SHOFF = 40, E_PHENTSIZE = 54, E_PHNUM = 56, E_SHNUM = 60;
const PHENTSIZE = 56;
const P_FLAGS = 4, P_OFFSET = 8, P_VADDR = 16, P_PADDR = 24, P_FILESZ = 32, P_MEMSZ = 40, P_ALIGN = 48;
const PT_LOAD = 1, PT_DYNAMIC = 2, PT_INTERP = 3, PT_NOTE = 4;
const PF_X = 1, PF_R = 4;
const DT_STRTAB = 5, DT_SYMTAB = 6, DT_RELA = 7, DT_RELASZ = 8;
const RELA_SIZE = 24, SYM_SIZE = 24, DYN_SIZE = 16;
const R_X86_64_GLOB_DAT = 6;
const PAGE = 4096;

/** What is known of a program before the segment is made. */
export interface ElfPlan {
  /** Where the segment will lie, in the program's addresses. */
  readonly segment: number;
  /** Where the program began. */
  readonly entry: number;
  /** The pointer that the dynamic linker sets to the address of the C library's variable `environ`. */
  readonly environ: number;
}

/** A line of the program's table of segments. */
interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

/** A program that cannot be changed in this way; the message follows its name. */
export class ElfError extends Error {
  override name = "ElfError";
}

/**
 * Find out where a segment can go.
 *
 * @param program the program's file
 * @throws {ElfError} if it is not such a program
 */
export function planSegment(program: Uint8Array<ArrayBuffer>): ElfPlan {
  const view = viewOf(program);
  const segments = readSegments(program);
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  if (!interpreter || !readString(program, interpreter.offset).includes("ld-linux-x86-64")) {
    throw new ElfError("is not linked to the GNU C library");
  }
  if (!segments.some(({ type }) => type === PT_NOTE)) throw new ElfError("has no PT_NOTE to give up");
  const end = Math.max(...segments.filter(isLoaded).map(({ address, memorySize }) => address + memorySize));
  return { segment: align(end), entry: word(view, E_ENTRY), environ: findEnviron(program, segments) };
}

/**
 * Append the segment.
 *
 * @param program the program's file
 * @param contents the segment, whose first byte is code
 * @param plan what {@link planSegment} said of this program
 * @returns the new program's file
 */
export function appendSegment(
  program: Uint8Array<ArrayBuffer>,
  contents: Uint8Array,
  plan: ElfPlan,
): Uint8Array<ArrayBuffer> {
  const offset = align(program.length);
  const result = new Uint8Array(offset + contents.length);
  result.set(program);
  result.set(contents, offset);
  const view = viewOf(result);
  const table = word(view, E_PHOFF);
  const count = view.getUint16(E_PHNUM, true);
  const lines = Array.from(
    { length: count },
    (_, i) => result.slice(table + i * PHENTSIZE, table + (i + 1) * PHENTSIZE),
  );
  const types = lines.map((line) => viewOf(line).getUint32(0, true));
  // Segments stand in the order of their addresses, and the new one has the highest.
  const order = [...lines];
  order.splice(types.lastIndexOf(PT_LOAD) + 1, 0, makeLoad(offset, plan.segment, contents.length));
  order.splice(order.indexOf(lines[types.indexOf(PT_NOTE)]!), 1);
  for (const [i, line] of order.entries()) result.set(line, table + i * PHENTSIZE);
  view.setBigUint64(E_ENTRY, BigInt(plan.segment), true);
  // Nobody needs the sections to run it; without them `strip` leaves it alone, which would not keep the segment.
  view.setBigUint64(E_SHOFF, 0n, true);
  view.setUint32(E_SHNUM, 0, true);
  return result;
}

function makeLoad(offset: number, address: number, size: number): Uint8Array<ArrayBuffer> {
  const line = new Uint8Array(PHENTSIZE);
  const view = viewOf(line);
  view.setUint32(0, PT_LOAD, true);
  view.setUint32(P_FLAGS, PF_R | PF_X, true);
  const words = [[P_OFFSET, offset], [P_VADDR, address], [P_PADDR, address], [P_FILESZ, size], [
    P_MEMSZ,
    size,
  ]] as const;
  for (const [at, value] of words) view.setBigUint64(at, BigInt(value), true);
  view.setBigUint64(P_ALIGN, BigInt(PAGE), true);
  return line;
}

function readSegments(program: Uint8Array<ArrayBuffer>): Segment[] {
  const view = viewOf(program);
  const isElf = program.length > 64 && view.getUint32(0) === 0x7f454c46;
  if (!isElf || program[EI_CLASS] !== ELFCLASS64 || view.getUint16(E_MACHINE, true) !== EM_X86_64) {
    throw new ElfError("is not an ELF program for x86-64");
  }
  if (view.getUint16(E_PHENTSIZE, true) !== PHENTSIZE) throw new ElfError("has a table of segments of an unknown form");
  const table = word(view, E_PHOFF);
  return Array.from({ length: view.getUint16(E_PHNUM, true) }, (_, i) => {
    const at = table + i * PHENTSIZE;
    return {
      type: view.getUint32(at, true),
      offset: word(view, at + P_OFFSET),
      address: word(view, at + P_VADDR),
      fileSize: word(view, at + P_FILESZ),
      memorySize: word(view, at + P_MEMSZ),
    };
  });
}

function isLoaded({ type }: Segment): boolean {
  return type === PT_LOAD;
}

/** The place of the relocation R_X86_64_GLOB_DAT for `environ`. */
function findEnviron(program: Uint8Array<ArrayBuffer>, segments: readonly Segment[]): number {
  const view = viewOf(program);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (!dynamic) throw new ElfError("is not dynamically linked");
  const tags = new Map<number, number>();
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.fileSize; at += DYN_SIZE) {
    tags.set(word(view, at), word(view, at + 8));
  }
  const [strings, symbols, relocations] = [DT_STRTAB, DT_SYMTAB, DT_RELA].map((tag) => {
    const address = tags.get(tag);
    const holder = segments.find((segment) =>
      isLoaded(segment) && address !== undefined && segment.address <= address &&
      address < segment.address + segment.fileSize
    );
    if (!holder || address === undefined) throw new ElfError("has no table of relocations");
    return address - holder.address + holder.offset;
  }) as [number, number, number];
  for (let at = relocations; at < relocations + (tags.get(DT_RELASZ) ?? 0); at += RELA_SIZE) {
    if (view.getUint32(at + 8, true) !== R_X86_64_GLOB_DAT) continue;
    const name = view.getUint32(symbols + SYM_SIZE * view.getUint32(at + 12, true), true);
    if (readString(program, strings + name) === "environ") return word(view, at);
  }
  throw new ElfError("does not ask the C library for its environment");
}

function readString(bytes: Uint8Array, at: number): string {
  return new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));
}

/** A word of 64 bits; places in files, and a program's own addresses, are far below 2^53. */
function word(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function align(value: number): number {
  return Math.ceil(value / PAGE) * PAGE;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new DataView(buffer, byteOffset, byteLength);
}
