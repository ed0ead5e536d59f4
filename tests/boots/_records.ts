/**
 * What `scripts/guest/recorder.c` writes until it is killed: a seed and a record's number enter, its bytes leave; and
 * the check that an image holds every record that was flushed.
 */
import { join } from "@std/path";
import { assert } from "@std/assert";
import { copyOut, recover } from "./_ext4.ts";

const BLOCK = 4096;
/** How many blocks a record has at most, as in the program. */
const LONGEST = 4;

/** The disks of a recording Guest. */
export interface RecordDisks {
  /** Where records are blocks. */
  readonly raw: string;
  /** Where records are files. */
  readonly ext4: string;
}

/** A record as a file; as a block it is the first of these bytes, or more where the file is shorter than a block. */
function recordBytes(seed: number, number: number): Uint8Array {
  const words = new Uint32Array(LONGEST * BLOCK / 4);
  let state = (seed ^ Math.imul(number, 2654435761)) >>> 0;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state ^ state >>> 15;
  }
  return new Uint8Array(words.buffer);
}

function fileLength(number: number): number {
  return (number % LONGEST + 1) * BLOCK - number % 7 * 100;
}

/**
 * Check that all records up to a number are there. What came after it may be there, in part or not at all.
 *
 * @param disks the images; the second is changed, by the replay of its journal
 * @param seed what the program got
 * @param flushed the last number that the program said was flushed
 * @param scratch an empty directory
 */
export async function assertRecords(disks: RecordDisks, seed: number, flushed: number, scratch: string): Promise<void> {
  await recover(disks.ext4);
  await copyOut(disks.ext4, "/records", scratch);
  using raw = await Deno.open(disks.raw);
  const block = new Uint8Array(BLOCK);
  for (let number = 0; number <= flushed; number++) {
    const wanted = recordBytes(seed, number);
    await raw.seek(number * BLOCK, Deno.SeekMode.Start);
    await raw.read(block);
    assert(sameBytes(block, wanted.subarray(0, BLOCK)), `block ${number} of ${flushed} is not intact`);
    const file = await Deno.readFile(join(scratch, "records", `${number}`));
    const intact = sameBytes(file, wanted.subarray(0, fileLength(number)));
    assert(intact, `file ${number} of ${flushed} is not intact`);
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
