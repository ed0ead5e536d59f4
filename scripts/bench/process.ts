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
