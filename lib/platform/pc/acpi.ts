/**
 * The ACPI tables that the PC's firmware leaves: enough that the kernel finds the power switch, the reset register
 * and the power management timer, and learns what is *not* there, so that it need not look for it.
 *
 * RSDP → RSDT and XSDT → FADT → FACS and DSDT, and beside the FADT the MCFG, in the BIOS area below 1 MiB, where every
 * kernel looks (ACPI 6.5 §5.2.5.1). There is no MADT: the CPU has no local APIC, and interrupts go by the 8259s. The
 * machine is always in ACPI mode (no SMI command port), has no fixed buttons and no general-purpose events. A device that
 * is added to the DSDT later is a term in {@link differentiatedTerms}. Read next: `acpi_pci.ts`, `aml.ts`, `pm.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../../memory.ts";
import { mcfgContents, pciTerms } from "./acpi_pci.ts";
import { type Aml, amlInteger, amlList, amlName, amlPackage } from "./aml.ts";
import { FIRMWARE_BASE, PM_BASE, SCI_IRQ } from "./layout.ts";
import { SLEEP_TYPE_S5 } from "./pm.ts";
import { REGISTER_CENTURY } from "./rtc_time.ts";

/** Where {@link writeAcpiTables} put them. */
export interface AcpiTables {
  /** Guest-physical address of the RSDP, for the boot protocol's `acpi_rsdp_addr`. */
  readonly rsdp: number;
  /** The first byte of the tables. */
  readonly start: number;
  /** One past the last byte of the tables. They must stand in memory that is not given to the kernel as RAM. */
  readonly end: number;
}

/** IA-PC boot architecture flags (§5.2.9.3): devices on the ISA bus; no 8042, no VGA, no MSI; a CMOS clock. */
const BOOT_ARCHITECTURE = 0x0001 | 0x0004 | 0x0008;
/** FADT flags (§5.2.9, table 5.10). */
const FLAG_WBINVD = 1 << 0;
const FLAG_PROC_C1 = 1 << 2;
/** No power and sleep button in the fixed hardware, no alarm that wakes it. */
const FLAGS_NOT_FIXED = 1 << 4 | 1 << 5 | 1 << 6;
const FLAG_TIMER_32_BITS = 1 << 8;
const FLAG_RESET_REGISTER = 1 << 10;
/** CF9h, and what to write there (`system_control.ts`). */
const RESET_PORT = 0xcf9;
const RESET_VALUE = 0x06;
/** C2 and C3 latencies above which an operating system knows that there are no such states (§5.2.9). */
const NO_C2 = 101;
const NO_C3 = 1001;

const HEADER_LENGTH = 36;
const FADT_LENGTH = 244;
const FADT_REVISION = 4;
const FACS_LENGTH = 64;
const RSDP_LENGTH = 36;

/**
 * Write the tables into the Guest's memory.
 *
 * @param memory at least 1 MiB
 * @returns where they are
 * @throws {GuestMemoryError} if the memory is smaller
 */
export function writeAcpiTables(memory: GuestMemory): AcpiTables {
  let next = FIRMWARE_BASE;
  /** The FACS must stand at a multiple of 64, the RSDP of 16: all of them do at the former. */
  const place = (bytes: Uint8Array) => {
    const address = next;
    memory.write(address, bytes);
    next = (address + bytes.length + 63) & ~63;
    return address;
  };
  const rsdp = next;
  next += 64;
  const facs = place(facsTable());
  const dsdt = place(table("DSDT", 2, Uint8Array.from(differentiatedTerms())));
  const fadt = place(fadtTable(facs, dsdt));
  const mcfg = place(table("MCFG", 1, mcfgContents()));
  const rsdt = place(table("RSDT", 1, new Uint8Array(Uint32Array.of(fadt, mcfg).buffer)));
  const xsdt = place(table("XSDT", 1, new Uint8Array(BigUint64Array.of(BigInt(fadt), BigInt(mcfg)).buffer)));
  memory.write(rsdp, rootPointer(rsdt, xsdt));
  return { rsdp, start: FIRMWARE_BASE, end: next };
}

/** What the DSDT says: how to switch off (§7.4.2, \_S5: values for PM1a_CNT and PM1b_CNT, two reserved), and PCI. */
function differentiatedTerms(): Aml {
  const off = amlInteger(SLEEP_TYPE_S5);
  const unused = amlInteger(0);
  return amlList(amlName("\\_S5", amlPackage([off, off, unused, unused])), pciTerms());
}

/** A table: the common header (§5.2.6) and its contents. */
function table(signature: string, revision: number, contents: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_LENGTH + contents.length);
  const view = new DataView(bytes.buffer);
  putText(bytes, 0, signature);
  view.setUint32(4, bytes.length, true);
  bytes[8] = revision;
  putText(bytes, 10, "LGUEST");
  putText(bytes, 16, "LGUESTPC");
  view.setUint32(24, 1, true);
  putText(bytes, 28, "LGST");
  view.setUint32(32, 1, true);
  bytes.set(contents, HEADER_LENGTH);
  setChecksum(bytes, 9, bytes.length);
  return bytes;
}

/** The fixed description (§5.2.9): offsets are those of the whole table. */
function fadtTable(facs: number, dsdt: number): Uint8Array {
  const contents = new Uint8Array(FADT_LENGTH - HEADER_LENGTH);
  const view = new DataView(contents.buffer);
  const byte = (offset: number, value: number) => view.setUint8(offset - HEADER_LENGTH, value);
  const word = (offset: number, value: number) => view.setUint16(offset - HEADER_LENGTH, value, true);
  const dword = (offset: number, value: number) => view.setUint32(offset - HEADER_LENGTH, value, true);
  /** A generic address in the port space (§5.2.3.2); access size 1 to 3 for bytes to 32 bits. */
  const port = (offset: number, address: number, bits: number, access: number) => {
    byte(offset, 1);
    byte(offset + 1, bits);
    byte(offset + 3, access);
    dword(offset + 4, address);
  };
  dword(36, facs);
  dword(40, dsdt);
  word(46, SCI_IRQ);
  dword(56, PM_BASE);
  dword(64, PM_BASE + 4);
  dword(76, PM_BASE + 8);
  byte(88, 4);
  byte(89, 2);
  byte(91, 4);
  word(96, NO_C2);
  word(98, NO_C3);
  byte(108, REGISTER_CENTURY);
  word(109, BOOT_ARCHITECTURE);
  dword(112, FLAG_WBINVD | FLAG_PROC_C1 | FLAGS_NOT_FIXED | FLAG_TIMER_32_BITS | FLAG_RESET_REGISTER);
  port(116, RESET_PORT, 8, 1);
  byte(128, RESET_VALUE);
  // X_FIRMWARE_CTRL (132) stays 0: the 32-bit address above is the one to use, never both.
  dword(140, dsdt);
  port(148, PM_BASE, 32, 2);
  port(172, PM_BASE + 4, 16, 2);
  port(208, PM_BASE + 8, 32, 3);
  return table("FACP", FADT_REVISION, contents);
}

/** The firmware control structure (§5.2.10), which has no common header; all that matters is that it is there. */
function facsTable(): Uint8Array {
  const bytes = new Uint8Array(FACS_LENGTH);
  putText(bytes, 0, "FACS");
  bytes[4] = FACS_LENGTH;
  bytes[32] = 2;
  return bytes;
}

/** Root system description pointer, version 2 (§5.2.5.3). */
function rootPointer(rsdt: number, xsdt: number): Uint8Array {
  const bytes = new Uint8Array(RSDP_LENGTH);
  const view = new DataView(bytes.buffer);
  putText(bytes, 0, "RSD PTR ");
  putText(bytes, 9, "LGUEST");
  bytes[15] = 2;
  view.setUint32(16, rsdt, true);
  view.setUint32(20, RSDP_LENGTH, true);
  view.setUint32(24, xsdt, true);
  // The first checksum covers what version 1 had.
  setChecksum(bytes, 8, 20);
  setChecksum(bytes, 32, RSDP_LENGTH);
  return bytes;
}

function putText(bytes: Uint8Array, offset: number, text: string): void {
  bytes.set(new TextEncoder().encode(text), offset);
}

/** Set the byte at `offset` so that the first `length` bytes sum to zero. */
function setChecksum(bytes: Uint8Array, offset: number, length: number): void {
  bytes[offset] = 0;
  bytes[offset] = -bytes.subarray(0, length).reduce((sum, byte) => sum + byte, 0) & 0xff;
}
