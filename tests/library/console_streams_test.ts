import { assertEquals, assertRejects } from "@std/assert";
import { InputStream, OutputStream } from "../../lib/library/console_streams.ts";

const MIB = 1 << 20;
const encode = (text: string) => new TextEncoder().encode(text);

/** Whether a promise is still open when everything else has had its turn. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.finally(() => pending = false);
  await new Promise((resolve) => setTimeout(resolve, 20));
  return pending;
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}

Deno.test("OutputStream gives what was written before it was read, and ends", async () => {
  const output = new OutputStream();
  await output.write(encode("early "));
  const text = new Response(output.readable).text();
  await output.write(encode("late"));
  output.end();
  assertEquals(await text, "early late");
});

Deno.test("OutputStream ends with the error that it is given, behind what was written", async () => {
  const output = new OutputStream();
  await output.write(encode("x"));
  output.end(new Error("it broke"));
  const reader = output.readable.getReader();
  assertEquals((await reader.read()).value, encode("x"));
  await assertRejects(() => reader.read(), Error, "it broke");
});

Deno.test("OutputStream keeps no more than the last MiB, and a piece, for nobody", async () => {
  const output = new OutputStream();
  for (let n = 0; n < 5; n++) await output.write(new Uint8Array(MIB / 2));
  output.end();
  assertEquals(await readAll(output.readable), MIB);
});

Deno.test("OutputStream has the writer wait for a slow reader, until it reads, leaves, or somebody hurries", async () => {
  const output = new OutputStream();
  const reader = output.readable.getReader();
  const write = () => output.write(new Uint8Array(MIB));
  await write();
  const second = write();
  assertEquals(await isPending(second), true);
  await output.hurry(async () => {
    await second;
    await write();
  });
  const fourth = write();
  assertEquals(await isPending(fourth), true);
  for (let n = 0; n < 3; n++) await reader.read();
  await fourth;
  const fifth = write();
  reader.releaseLock();
  await fifth;
  await output.readable.cancel();
  await write();
});

Deno.test("InputStream gives what is typed in order, and a chunk is done when it was taken", async () => {
  const input = new InputStream();
  const writer = input.writable.getWriter();
  const first = writer.write(encode("a"));
  const second = input.type(encode("b"));
  assertEquals(await isPending(first), true);
  assertEquals([await input.read(), await input.read()].map((bytes) => new TextDecoder().decode(bytes)).sort(), [
    "a",
    "b",
  ]);
  await Promise.all([first, second]);
  const later = input.read();
  await input.type(encode("c"));
  assertEquals(await later, encode("c"));
});

Deno.test("InputStream drops what comes after its end, and tells the reader", async () => {
  const input = new InputStream();
  const waiting = input.type(encode("x"));
  input.end();
  await waiting;
  await input.type(encode("y"));
  await input.writable.getWriter().write(encode("z"));
  assertEquals(await input.read(), undefined);
});
