/**
 * Two Guests that talk: one thinks of a number, the other guesses it. Run it with `deno run -A examples/two_guests.ts`.
 *
 * Each hears what the other says because this program carries lines from one console to the other, which needs no
 * rights at all. (Guests that are to have a real network get `tunnet: ["bridge:br0"]`, which wants root and a bridge.)
 */
import { Guest } from "@lguest/lguest";
import { fetchBusybox, fetchKernel } from "../scripts/debian.ts";
import { buildInitramfs, INIT_PREAMBLE, INIT_SHELL, QUICK_BOOT } from "../scripts/initramfs.ts";

const THINK = `stty raw -echo
number=$(($(od -An -N2 -tu2 /dev/urandom) % 1000 + 1))
echo ready
while read -r guess; do
  if [ "$guess" -lt $number ]; then echo higher
  elif [ "$guess" -gt $number ]; then echo lower
  else echo right; break
  fi
done
poweroff -f
`;

const GUESS = `stty raw -echo
low=1 high=1000
echo ready
while guess=$(((low + high) / 2)); echo $guess; read -r answer; do
  case $answer in
    higher) low=$((guess + 1)) ;;
    lower) high=$((guess - 1)) ;;
    right) break ;;
  esac
done
poweroff -f
`;

const kernel = await fetchKernel();
const initrd = buildInitramfs({
  busybox: await Deno.readFile(await fetchBusybox()),
  init: INIT_PREAMBLE + INIT_SHELL,
  files: { "/bin/think": `#!/bin/sh\n${THINK}`, "/bin/guess": `#!/bin/sh\n${GUESS}` },
});

/** Boot a Guest and start a program that talks by its console. */
async function start(program: string): Promise<Guest> {
  const guest = await Guest.start({ memory: 64, kernel, initrd, commandLine: QUICK_BOOT.join(" ") });
  await guest.console.expect("/root # ", { timeout: 300_000 });
  await guest.console.write(`exec ${program}\r`);
  await guest.console.expect("ready\n"); // the terminal is raw now: no echo, no carriage return
  return guest;
}

const [thinker, guesser] = await Promise.all([start("think"), start("guess")]);
await using _thinker = thinker;
await using _guesser = guesser;

let guesses = 0;
for (let answer = ""; answer !== "right"; guesses++) {
  const guess = (await guesser.console.expect("\n")).before;
  await thinker.console.write(`${guess}\n`);
  answer = (await thinker.console.expect("\n")).before;
  await guesser.console.write(`${answer}\n`);
  console.log(`Is it ${guess}? ${answer}`);
}
console.log(
  `It took ${guesses} guesses; both ended by ${(await thinker.exited).kind} and ${(await guesser.exited).kind}`,
);
