/**
 * The smallest file that the loader takes for a kernel.
 *
 * @module
 */

/** An i386 ELF file with one segment of sixteen `hlt` at 1 MiB. */
export function tinyKernel(): Uint8Array<ArrayBuffer> {
  const header = 52, programHeader = 32, code = 16, address = 0x10_0000;
  const bytes = new Uint8Array(header + programHeader + code);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  const halves = [[16, 2], [18, 3], [40, header], [42, programHeader], [44, 1]] as const;
  for (const [at, value] of halves) view.setUint16(at, value, true);
  const words = [[20, 1], [24, address], [28, header]] as const;
  for (const [at, value] of words) view.setUint32(at, value, true);
  const segment = [1, header + programHeader, address, address, code, code, 5, 4096];
  for (const [i, value] of segment.entries()) view.setUint32(header + 4 * i, value, true);
  bytes.fill(0xf4, header + programHeader);
  return bytes;
}
