/**
 * `kill -9` while a Guest writes: numbers of rounds and a seed enter; nothing leaves but an error if a flushed record was lost. The
 * disks go on from round to round, so that the next Guest replays the journal that the last one left. Each round is a
 * boot of its own, since a kill ends the whole program. Read next: `_records.ts`, `../../scripts/guest/recorder.c`.
 */
import { join } from "@std/path";
import { assertEquals } from "@std/assert";
import { INIT_DRIVERS, INIT_PREAMBLE, QUICK_BOOT } from "../../scripts/initramfs.ts";
import { Random } from "../engine/random.ts";
import { makeExt4 } from "./_ext4.ts";
import { Images } from "./_images.ts";
import { launch } from "./_machines.ts";
import { assertRecords, type RecordDisks } from "./_records.ts";

const MEMORY = "64";
/** Room for the records of many rounds; new disks are made before it is full. */
const DISK_MIB = 64;
const RECORDS_OF_A_DISK = 2000;
/** The longest time from the first record of a round to the kill. */
const LONGEST_MS = 1500;

/** The kernel hands words that it does not know to init, in its environment. */
const RECORDING_INIT = `${INIT_PREAMBLE}${INIT_DRIVERS}
dmesg -n 1
mount /dev/vdb /mnt && mkdir -p /mnt/records && recorder /dev/vda /mnt/records $seed $first
echo "recorder ended with $?"
poweroff -f
`;

/** What {@link killSeries} does. */
export interface KillOptions {
  /** How many series go on at the same time, each with disks of its own. */
  readonly series: number;
  /** How many kills each has. */
  readonly rounds: number;
  /** From which their moments, and the records' contents, follow. */
  readonly seed: number;
  /** Called after each round with the number of records that its disks hold. */
  readonly onRound?: (series: number, round: number, records: number) => void;
}

/** Kill and check as often as is asked for. */
export async function killSeries(options: KillOptions): Promise<void> {
  using images = new Images();
  const initrd = await images.devicesInitrd("686", {
    init: RECORDING_INIT,
    files: { "/bin/recorder": await images.program("recorder") },
  });
  const words = [`--initrd=${initrd}`, MEMORY, await images.bzImage("686"), ...QUICK_BOOT];
  const all = Array.from({ length: options.series }, (_, series) => killRounds(images, words, series, options));
  for (const result of await Promise.allSettled(all)) if (result.status === "rejected") throw result.reason;
}

async function killRounds(images: Images, words: readonly string[], series: number, options: KillOptions) {
  const seed = (options.seed + series) >>> 0;
  const random = new Random(seed);
  const disks = { raw: images.path(`raw-${series}.img`), ext4: images.path(`ext4-${series}.img`) };
  let flushed = Infinity;
  for (let round = 0; round < options.rounds; round++) {
    if (flushed > RECORDS_OF_A_DISK) {
      await makeDisks(disks);
      flushed = -1;
    }
    await using guest = launch(`kill ${series}.${round}`, [
      ...[`--block=${disks.raw}`, `--block=${disks.ext4}`, ...words, `seed=${seed}`, `first=${flushed + 1}`],
    ]);
    const { line } = guest.shell;
    await line.expect(`flushed ${flushed + 1}\n`);
    await new Promise((resolve) => setTimeout(resolve, random.below(LONGEST_MS)));
    guest.kill();
    await guest.ended;
    flushed = lastFlushed(line.heard);
    await check(images, disks, seed, flushed);
    options.onRound?.(series, round, flushed + 1);
  }
}

async function makeDisks({ raw, ext4 }: RecordDisks): Promise<void> {
  await Deno.writeFile(raw, new Uint8Array());
  await Deno.truncate(raw, DISK_MIB << 20);
  await makeExt4(ext4, DISK_MIB);
}

/** On copies: the next Guest is to find the disks as this one left them. */
async function check(images: Images, disks: RecordDisks, seed: number, flushed: number): Promise<void> {
  const scratch = await Deno.makeTempDir({ dir: images.path(".") });
  const copies = { raw: disks.raw, ext4: join(scratch, "ext4.img") };
  await Deno.copyFile(disks.ext4, copies.ext4);
  await assertRecords(copies, seed, flushed, scratch);
  await Deno.remove(scratch, { recursive: true });
}

/** The last line may have been cut off by the kill. */
function lastFlushed(heard: string): number {
  const numbers = [...heard.matchAll(/^flushed (\d+)\n/gm)].map(([, number]) => Number(number));
  const last = numbers.at(-1)!;
  assertEquals(numbers, Array.from(numbers, (_, i) => last - numbers.length + 1 + i), "not one record after the other");
  return last;
}
