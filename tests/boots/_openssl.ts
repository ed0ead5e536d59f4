/**
 * OpenSSL: digests against this process's own, ciphers against the same program on the host and there and back again,
 * signatures that verify. Its code is hand-written assembly, SSE2 where the processor has it.
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { assertEquals, assertMatch } from "@std/assert";
import type { Workbench } from "./_workbench.ts";

const INPUT = "/usr/lib/i386-linux-gnu/libssl.so.3";
const DIGESTS = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "blake2b512", "ripemd160", "sm3"];
const CIPHERS = [
  ...["aes-128-cbc", "aes-256-ctr", "aes-192-ofb", "chacha20", "camellia-128-cbc", "aria-128-ctr", "des-ede3-cbc"],
  ...["sm4-cbc"],
];
const KEY = "-K 00112233445566778899aabbccddeeff0123456789abcdef0011223344556677 -iv 000102030405060708090a0b0c0d0e0f";
/** How each kind of key is made. RSA primes take long to find, and how long is chance. */
const KEYS = {
  rsa: "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:768",
  ecdsa: "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
  "ecdsa-521": "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521",
};

/** Digests, ciphers, signatures. */
export async function checkOpenssl(bench: Workbench): Promise<void> {
  await checkDigests(bench);
  await checkCiphers(bench);
  await checkSignatures(bench);
}

async function checkDigests({ shell, packages }: Workbench): Promise<void> {
  const data = await Deno.readFile(join(packages.tree, INPUT));
  for (const name of DIGESTS) {
    const wanted = createHash(name).update(data).digest("hex");
    assertEquals(
      await shell.ask(`openssl dgst -provider default -provider legacy -${name} -r <${INPUT}`),
      `${wanted} *stdin`,
      name,
    );
  }
}

async function checkCiphers({ shell, packages, hasHost }: Workbench): Promise<void> {
  const sum = createHash("sha256").update(await Deno.readFile(join(packages.tree, INPUT))).digest("hex");
  for (const name of CIPHERS) {
    const command = `enc -${name} ${keyFor(name)}`;
    assertEquals(
      await shell.ask(`openssl ${command} -in ${INPUT} -out secret && openssl ${command} -d -in secret | sha256sum`),
      `${sum}  -`,
      `${name} does not give back what it enciphered`,
    );
    if (!hasHost) continue;
    const words = [...command.split(" "), "-in", join(packages.tree, INPUT)];
    const { stdout } = await packages.runOnHost("usr/bin/openssl", words);
    const secret = createHash("sha256").update(stdout).digest("hex");
    assertEquals(await shell.ask("sha256sum <secret"), `${secret}  -`, `${name} enciphers otherwise than on the host`);
  }
}

async function checkSignatures({ shell }: Workbench): Promise<void> {
  for (const [name, generate] of Object.entries(KEYS)) {
    await shell.ask(`openssl ${generate} -out key 2>/dev/null && openssl pkey -in key -pubout -out public`);
    await shell.ask(`openssl dgst -sha256 -sign key -out signature ${INPUT}`);
    const verify = "openssl dgst -sha256 -verify public -signature signature";
    assertEquals(await shell.ask(`${verify} ${INPUT}`), "Verified OK", name);
    const forged = await shell.run(`${verify} /bin/busybox`);
    assertMatch(forged.output, /^Verification failure/, `${name} verifies anything`);
  }
}

/** Key and start value, cut to the cipher's sizes. */
function keyFor(name: string): string {
  const [, key, , iv] = KEY.split(" ");
  const bits = /(128|192|256)/.exec(name)?.[1] ?? { chacha20: 256, "des-ede3-cbc": 192 }[name] ?? 128;
  return `-K ${key!.slice(0, Number(bits) / 4)} -iv ${name.startsWith("des") ? iv!.slice(0, 16) : iv}`;
}
