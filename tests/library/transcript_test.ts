import { assertEquals, assertRejects } from "@std/assert";
import { GuestError } from "../../lib/guest_error.ts";
import { GuestTimeoutError, Transcript } from "../../lib/library/transcript.ts";

function heard(text: string): Transcript {
  const transcript = new Transcript();
  transcript.hear(new TextEncoder().encode(text));
  return transcript;
}

Deno.test("Transcript.expect() finds what is there, and what comes before it once", async () => {
  const transcript = heard("one two three");
  assertEquals(await transcript.expect("two"), { before: "one ", text: "two", captures: [] });
  assertEquals(await transcript.expect(/t(h)(x)?/), { before: " ", text: "th", captures: ["h", undefined] });
  assertEquals((await transcript.expect("ree")).before, "");
});

Deno.test("Transcript.expect() waits for text that comes in pieces, in the middle of a character too", async () => {
  const transcript = heard("");
  const found = transcript.expect("Grüße");
  for (const byte of new TextEncoder().encode("viele Grüße!")) transcript.hear(Uint8Array.of(byte));
  assertEquals((await found).before, "viele ");
  assertEquals((await transcript.expect("!")).before, "");
});

Deno.test("Transcript.expect() serves those who wait in the order in which they came", async () => {
  const transcript = heard("");
  const both = Promise.all([transcript.expect("b"), transcript.expect("a")]);
  transcript.hear(new TextEncoder().encode("ab1a2"));
  assertEquals((await both).map(({ before }) => before), ["a", "1"]);
});

Deno.test("Transcript.expect() does not mind a regular expression's place in another search", async () => {
  const pattern = /a/g;
  pattern.lastIndex = 3;
  assertEquals((await heard("a").expect(pattern)).text, "a");
});

Deno.test("Transcript.expect() gives up in time, shows what there was, and is in nobody's way then", async () => {
  const transcript = heard("login: ");
  await assertRejects(
    () => transcript.expect("password", { timeout: 10 }),
    GuestTimeoutError,
    `"password" did not come within 10 ms; the last that the Guest wrote: "login: "`,
  );
  await assertRejects(() => transcript.expect(/x/, { signal: AbortSignal.timeout(10) }), DOMException);
  await assertRejects(() => transcript.expect(/l/, { signal: AbortSignal.abort(new Error("no")) }), Error, "no");
  assertEquals((await transcript.expect("login")).before, "");
});

Deno.test("Transcript.end() has the others know, but what was written can still be expected", async () => {
  const transcript = heard("bye");
  const found = transcript.expect("more");
  transcript.end(new GuestError("It is over"));
  await assertRejects(() => found, GuestError, `It is over before "more" came; the last it wrote: "bye"`);
  await assertRejects(() => transcript.expect("more"), GuestError, "It is over");
  assertEquals((await transcript.expect("bye")).text, "bye");
});

Deno.test("Transcript keeps the end of what nobody wants", async () => {
  const transcript = heard("first");
  for (let n = 0; n < 40; n++) transcript.hear(new Uint8Array(100_000).fill(35));
  transcript.hear(new TextEncoder().encode("last"));
  const { before } = await transcript.expect("last");
  assertEquals(before.length >= 1 << 20 && before.length < 2 << 20, true);
});

Deno.test("Transcript.skipPast() forgets up to the last of a text, and nothing where it is not", async () => {
  const transcript = heard("one;two;three");
  transcript.skipPast("!");
  transcript.skipPast(";");
  assertEquals((await transcript.expect("three")).before, "");
});
