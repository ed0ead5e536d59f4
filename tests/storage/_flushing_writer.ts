/**
 * A program that is to be killed: writes the sectors of a disk in a random order, each once, and says which and what
 * after a flush of them was acknowledged.
 *
 * @module
 */
import { BLOCK_OP } from "../../lib/storage/backend.ts";
import { Random } from "../engine/random.ts";
import { DiskUser } from "./_disk.ts";

const [path, seed] = Deno.args as [string, string];
const random = new Random(Number(seed));
const user = await DiskUser.open({ path });
const sectors = Array.from({ length: user.backend.sectors }, (_, sector) => sector);
const encoder = new TextEncoder();

for (;;) {
  const batch = Array.from({ length: 1 + random.below(4) }, () => {
    const sector = sectors.splice(random.below(sectors.length), 1)[0];
    return { sector, value: random.bits() };
  }).filter((choice): choice is { sector: number; value: number } => choice.sector !== undefined);
  batch.forEach(({ sector, value }, index) => {
    const address = index * 512;
    for (let at = 0; at < 512; at += 4) user.memory.setUint32(address + at, value);
    user.submit(BLOCK_OP.WRITE, sector, [{ address, length: 512 }], () => {});
  });
  user.finish();
  user.do(BLOCK_OP.FLUSH, 0, 0);
  for (const { sector, value } of batch) Deno.stdout.writeSync(encoder.encode(`${sector} ${value}\n`));
}
