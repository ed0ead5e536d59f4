/**
 * What Linux tells about a running process: its number enters, processor time and memory leave (proc(5)).
 *
 * @module
 */

/** Ticks of `/proc/PID/stat` in a second; the ABI fixes it for every processor that Deno runs on. */
const TICKS_PER_SECOND = 100;

/** Processor time that a process took since its start, all its threads together: fields 14 and 15 of its `stat`. */
export function cpuMilliseconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 1000 / TICKS_PER_SECOND;
}

/** What a process holds in memory, in bytes. */
export interface MemoryUse {
  /** The most it ever held, code included: `VmHWM` of its `status`. */
  readonly peak: number;
  /** What it holds now: `VmRSS`. */
  readonly resident: number;
  /** How much of the Guest's RAM is there, that is, was touched. */
  readonly touchedRam: number;
}

const PAGE = 4096;
/** What a machine may keep in front of the Guest's RAM in the same mapping; lguest has 2 MiB of processor state. */
const RAM_PREFIX = 4 << 20;
/** `/proc/PID/pagemap`: bytes of an entry, and the bit of its last byte that says "present". */
const PAGEMAP_ENTRY = 8;
const PAGEMAP_PRESENT = 0x80;

/**
 * Measure a process that holds a Guest.
 *
 * @param ram bytes of the Guest's RAM, which is found as the end of an anonymous mapping of little more than that size
 * @returns nothing if there is no such mapping, or more than one
 */
export function memoryUse(pid: number, ram: number): MemoryUse | undefined {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  const resident = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  const ends = [...Deno.readTextFileSync(`/proc/${pid}/maps`).matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw.. 0+ 00:00 0 *$/gm)]
    .map(([, start, end]) => ({ start: parseInt(start!, 16), end: parseInt(end!, 16) }))
    .filter(({ start, end }) => end - start >= ram && end - start <= ram + RAM_PREFIX)
    .map(({ end }) => end);
  const end = ends[0];
  if (end === undefined || ends.length > 1) return undefined;
  return { peak, resident, touchedRam: presentPages(pid, end - ram, end) * PAGE };
}

function presentPages(pid: number, start: number, end: number): number {
  using pagemap = Deno.openSync(`/proc/${pid}/pagemap`);
  pagemap.seekSync(start / PAGE * PAGEMAP_ENTRY, Deno.SeekMode.Start);
  const entries = new Uint8Array((end - start) / PAGE * PAGEMAP_ENTRY);
  let filled = 0;
  while (filled < entries.length) {
    const count = pagemap.readSync(entries.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  let present = 0;
  for (let at = PAGEMAP_ENTRY - 1; at < filled; at += PAGEMAP_ENTRY) {
    if (entries[at]! & PAGEMAP_PRESENT) present++;
  }
  return present;
}
