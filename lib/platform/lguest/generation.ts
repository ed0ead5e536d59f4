/**
 * What differs between the versions of lguest: it changed with every few releases of Linux, and a kernel of one speaks
 * to no Host of another.
 *
 * A {@link Generation} is chosen once for a kernel (`abi.ts`); everything else in this folder asks it instead of
 * comparing versions. Read next: `protocol.ts`, `soft_host.ts`.
 *
 * @module
 */

/** How `struct lguest_data` is laid out: offsets in bytes from its start. */
export interface DataLayout {
  /** Bytes of an entry in the ring of hypercalls: EAX and three or four arguments. */
  readonly hcallSize: number;
  /** Where the Host tells of an interrupt that waits; absent before 2.6.31. */
  readonly irqPending?: number;
  /** One status byte for each entry of the ring. */
  readonly hcallStatus: number;
  /** The ring. */
  readonly hcalls: number;
  /** How much of the top of the address space is the Host's. */
  readonly reserveMem: number;
  /** The time-stamp counter's rate, or 0. */
  readonly tscKhz: number;
  /** Where the Host put the first page tables; absent where it makes none. */
  readonly pgdir?: number;
  /** Where no interrupt is wanted: the first address of a range, or the only one. */
  readonly noirqStart: number;
  /** The end of that range; absent where there is but one address. */
  readonly noirqEnd?: number;
  /** Above this virtual address all page tables are the same. */
  readonly kernelAddress: number;
  /** The vector of system calls. */
  readonly syscallVec: number;
  /** All of it. */
  readonly size: number;
}

/** What every layout begins with (offsets in bytes). */
export const DATA = { IRQ_ENABLED: 0, BLOCKED_INTERRUPTS: 4, CR2: 8, TIME: 12 } as const;

/** A family of versions that one Host can serve. */
export interface Generation {
  /** The first version of it, as `--abi` takes it. */
  readonly name: string;
  /** The versions, for messages. */
  readonly versions: string;
  /** How devices are found: on PCI (from 4.0), or described on the page above RAM. */
  readonly transport: "pci" | "bus";
  /** `struct lguest_data`. */
  readonly data: DataLayout;
  /** Hypercalls may be the instruction VMCALL, which the Host replaces by INT when it meets it. */
  readonly vmcall: boolean;
  /** The Host keeps CR0.TS for the Guest (hypercall TS). */
  readonly ts: boolean;
  /** The whole GDT is loaded by one hypercall (LOAD_GDT), and no interrupt can be asked for (SEND_INTERRUPTS). */
  readonly loadGdt: boolean;
  /** On the bus, a disk takes FLUSH; before that each write is synchronous. */
  readonly blockFlush: boolean;
  /** From here to the top of the address space all is the Host's ("Switcher"). */
  readonly switcher: number;
  /** Whoever has pages there dies of touching them, by whatever means (up to 3.9). */
  readonly switcherKills: boolean;
}

/** Up to 3.9 the Host had the last 4 MiB to itself; then what lies below its fixed mappings. */
const OLD_SWITCHER = 0xffc0_0000, NEW_SWITCHER = 0xfff9_f000;

/** 2.6.30: no word for an interrupt that waits, and hypercalls of three arguments. */
const DATA_2_6_30: DataLayout = {
  hcallSize: 16,
  hcallStatus: 20,
  hcalls: 84,
  reserveMem: 1108,
  tscKhz: 1112,
  pgdir: 1116,
  noirqStart: 1120,
  noirqEnd: 1124,
  kernelAddress: 1128,
  syscallVec: 1132,
  size: 1136,
};

/** From 2.6.31 on: the word for an interrupt that waits, and hypercalls of four arguments. */
const FIRST_PART = {
  hcallSize: 20,
  irqPending: 20,
  hcallStatus: 24,
  hcalls: 88,
  reserveMem: 1368,
  tscKhz: 1372,
} as const;

const DATA_2_6_31: DataLayout = {
  ...FIRST_PART,
  pgdir: 1376,
  noirqStart: 1380,
  noirqEnd: 1384,
  kernelAddress: 1388,
  syscallVec: 1392,
  size: 1396,
};

/** 3.1: no page tables of the Host's. */
const DATA_3_1: DataLayout = {
  ...FIRST_PART,
  noirqStart: 1376,
  noirqEnd: 1380,
  kernelAddress: 1384,
  syscallVec: 1388,
  size: 1392,
};

/** 4.1: one address where no interrupt is wanted. */
const DATA_4_1: DataLayout = { ...FIRST_PART, noirqStart: 1376, kernelAddress: 1380, syscallVec: 1384, size: 1388 };

/** What there is, the oldest first. */
export const GENERATIONS: readonly Generation[] = [
  {
    name: "2.6.30",
    versions: "2.6.30",
    transport: "bus",
    data: DATA_2_6_30,
    vmcall: true,
    ts: true,
    loadGdt: true,
    blockFlush: false,
    switcher: OLD_SWITCHER,
    switcherKills: true,
  },
  {
    name: "2.6.31",
    versions: "2.6.31 to 2.6.36",
    transport: "bus",
    data: DATA_2_6_31,
    vmcall: true,
    ts: true,
    loadGdt: false,
    blockFlush: false,
    switcher: OLD_SWITCHER,
    switcherKills: true,
  },
  {
    name: "2.6.37",
    versions: "2.6.37 to 3.0",
    transport: "bus",
    data: DATA_2_6_31,
    vmcall: true,
    ts: true,
    loadGdt: false,
    blockFlush: true,
    switcher: OLD_SWITCHER,
    switcherKills: true,
  },
  {
    name: "3.1",
    versions: "3.1 to 3.9",
    transport: "bus",
    data: DATA_3_1,
    vmcall: false,
    ts: true,
    loadGdt: false,
    blockFlush: true,
    switcher: OLD_SWITCHER,
    switcherKills: true,
  },
  {
    name: "3.10",
    versions: "3.10 to 3.19",
    transport: "bus",
    data: DATA_3_1,
    vmcall: false,
    ts: true,
    loadGdt: false,
    blockFlush: true,
    switcher: NEW_SWITCHER - 0x1000, // one more guard page
    switcherKills: false,
  },
  {
    name: "4.0",
    versions: "4.0",
    transport: "pci",
    data: DATA_3_1,
    vmcall: false,
    ts: true,
    loadGdt: false,
    blockFlush: true,
    switcher: NEW_SWITCHER,
    switcherKills: false,
  },
  {
    name: "4.1",
    versions: "4.1 to 4.9",
    transport: "pci",
    data: DATA_4_1,
    vmcall: false,
    ts: true,
    loadGdt: false,
    blockFlush: true,
    switcher: NEW_SWITCHER,
    switcherKills: false,
  },
  {
    name: "4.10",
    versions: "4.10 to 4.13",
    transport: "pci",
    data: DATA_4_1,
    vmcall: false,
    ts: false,
    loadGdt: false,
    blockFlush: true,
    switcher: NEW_SWITCHER,
    switcherKills: false,
  },
];

/**
 * The generation of a name.
 *
 * @param name of one of {@link GENERATIONS}
 * @throws {RangeError} if there is none
 */
export function generationOf(name: string): Generation {
  const found = GENERATIONS.find((generation) => generation.name === name);
  if (!found) throw new RangeError(`There is no generation "${name}" of lguest`);
  return found;
}
