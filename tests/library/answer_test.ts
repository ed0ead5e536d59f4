import { assertEquals } from "@std/assert";
import { Answer } from "../../lib/library/answer.ts";

const NONCE = "0123456789abcdef";
const BEGIN = `\x1eb${NONCE}\r\n`;
const END = `\x1ee${NONCE}:7\x1e`;

function heard(...texts: string[]): Answer {
  const answer = new Answer(NONCE);
  for (const text of texts) answer.hear(new TextEncoder().encode(text));
  return answer;
}

Deno.test("Answer finds output between marks that come in pieces, and not in the echo of what was typed", async () => {
  const echo = `printf '\\036%s\\n' b''${NONCE}\r\nb${NONCE}\r\n`;
  const answer = heard(...`${echo}${BEGIN}${BEGIN}a\r\n\r\r\nb${END}${END}prompt`);
  await answer.endedTwice;
  const { stdout, bytes, status } = answer.result;
  assertEquals({ stdout, status }, { stdout: "a\n\r\nb", status: 7 });
  assertEquals(bytes, new TextEncoder().encode(stdout));
  assertEquals(answer.lastMark, END);
});

Deno.test("Answer needs only one copy of each mark", async () => {
  const message = "[ 12.345678] random: crng init done\r\n";
  const cut = (mark: string) => mark.slice(0, 9) + message + mark.slice(9);
  const first = heard(`${cut(BEGIN)}${BEGIN}x${END}${cut(END)}`);
  await first.ended;
  assertEquals(first.result.stdout, "x");
  const second = heard(`${BEGIN}${cut(BEGIN)}x${cut(END)}${END}`);
  await second.ended;
  assertEquals([second.result.stdout.includes("x"), second.result.status], [true, 7]);
});

Deno.test("Answer takes off as many carriage returns as the terminal puts on", async () => {
  for (const newline of ["\n", "\r\n", "\r\r\n"]) {
    const answer = heard(`\x1eb${NONCE}${newline}`.repeat(2) + `a${newline}\r${newline}b${newline}${END}`);
    await answer.ended;
    assertEquals(answer.result.stdout, "a\n\r\nb\n");
  }
});

Deno.test("Answer leaves lines alone that the command ended itself, in a terminal that it has made raw", async () => {
  const answer = heard(`${BEGIN}${BEGIN}a\nb${END}`);
  await answer.ended;
  assertEquals(answer.result.stdout, "a\nb");
});

Deno.test("Answer tells when a line of a long command was taken", async () => {
  const answer = heard();
  const hear = (text: string) => [...text].forEach((one) => answer.hear(new TextEncoder().encode(one)));
  const first = answer.acknowledged(0);
  hear(`\x1ea0${NONCE}\x1e`);
  await first;
  const later = answer.acknowledged(11);
  hear(`\x1ea10${NONCE}\x1e\x1ea11${NONCE}\x1e`);
  await later;
  await answer.acknowledged(5);
});
