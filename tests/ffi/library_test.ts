import { assert, assertEquals, assertStrictEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { buildLibrary } from "../../ffi/build.ts";
import { AT_FDCWD, cString, ERRNO, LIBRARY_NAME, O_RDONLY, openLibrary, strerror } from "../../ffi/library.ts";
import { GuestError } from "../../lib/guest_error.ts";

const missing = whyNot();
const ignore = missing !== undefined;
const needs = ignore ? ` (${missing})` : "";
/** The version that `openLibrary()` wants, changed in a copy of the source. */
const VERSION = /return 2;/;

function whyNot(): string | undefined {
  for (const name of ["run", "read", "write", "ffi", "env"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "granted") return `needs the permission "${name}"`;
  }
  if (Deno.build.os !== "linux") return "needs Linux";
  try {
    buildLibrary();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function inDirectory(deed: (directory: string) => void): () => void {
  return () => {
    const directory = Deno.makeTempDirSync({ prefix: "lguest_library_" });
    try {
      deed(directory);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  };
}

Deno.test(
  `the library is built once, and again when its source is newer${needs}`,
  { ignore },
  inDirectory((directory) => {
    const path = join(directory, "some.so");
    assertEquals(buildLibrary(path), { path, made: true });
    assertEquals(buildLibrary(path), { path, made: false });
    Deno.utimeSync(path, 1, 1);
    assertEquals(buildLibrary(path), { path, made: true });
    assertEquals([...Deno.readDirSync(directory)].map(({ name }) => name), ["some.so"]);
  }),
);

Deno.test(`results are what the calls return, or the negative error number${needs}`, { ignore }, () => {
  const library = openLibrary();
  assertStrictEquals(openLibrary(), library);
  assertEquals(library.lguest_openat(AT_FDCWD, cString("/no/such"), O_RDONLY), -ERRNO.ENOENT);
  const fd = library.lguest_openat(AT_FDCWD, cString("/proc/self/cmdline"), O_RDONLY);
  assert(fd > 2);
  assert(library.lguest_read(fd, new Uint8Array(4), 4) === 4);
  assertEquals(library.lguest_close(fd), 0);
  assertEquals(library.lguest_read(fd, new Uint8Array(4), 4), -9);
  assertEquals(strerror(library, -ERRNO.ENOENT), "No such file or directory");
});

Deno.test(`an eventfd that was written ends a poll${needs}`, { ignore }, () => {
  const library = openLibrary();
  const event = library.lguest_eventfd();
  const waits = Int32Array.of(event, 1);
  assertEquals(library.lguest_poll(waits, 1, 0), 0);
  assertEquals(library.lguest_write(event, BigUint64Array.of(1n), 8), 8);
  assertEquals(library.lguest_poll(waits, 1, -1), 1);
  assertEquals(library.lguest_close(event), 0);
});

Deno.test(`pieces of shared memory are written in order${needs}`, { ignore }, () => {
  const library = openLibrary();
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const bytes = new Uint8Array(memory.buffer, 4096);
  bytes.set(new TextEncoder().encode("worldhello "));
  const base = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
  const path = Deno.makeTempFileSync();
  try {
    const fd = library.lguest_openat(AT_FDCWD, cString(path), 1);
    assertEquals(library.lguest_writev(fd, BigUint64Array.of(base + 5n, 6n, base, 5n), 2), 11);
    assertEquals(library.lguest_close(fd), 0);
    assertEquals(Deno.readTextFileSync(path), "hello world");
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test(
  `a library that is missing, none, or of another version is one line${needs}`,
  { ignore },
  inDirectory((directory) => {
    const missing = join(directory, "missing.so");
    assertThrows(() => openLibrary(missing), GuestError, `C library "${missing}" cannot be opened`);
    const text = join(directory, "text.so");
    Deno.writeTextFileSync(text, "no library");
    assertEquals(
      assertThrows(() => openLibrary(text), GuestError).message,
      `C library "${text}" cannot be opened: file too short`,
    );

    const source = Deno.readTextFileSync(fromFileUrl(new URL("../../ffi/lguest.c", import.meta.url)));
    assert(VERSION.test(source));
    Deno.writeTextFileSync(join(directory, "other.c"), source.replace(VERSION, "return 99;"));
    const other = join(directory, "other.so");
    const args = ["-shared", "-fPIC", "-o", other, join(directory, "other.c")];
    assert(new Deno.Command("cc", { args }).outputSync().success);
    assertThrows(() => openLibrary(other), GuestError, `has version 99, not 2: run "deno task build"`);
  }),
);

Deno.test(
  `without the library there is one line that tells how to make it${needs}`,
  { ignore },
  inDirectory((directory) => {
    // The same modules where no library has been built.
    for (const folder of ["ffi", "lib"]) Deno.mkdirSync(join(directory, folder));
    const root = fromFileUrl(new URL("../../", import.meta.url));
    for (const file of ["ffi/library.ts", "ffi/embedded.ts", "lib/guest_error.ts"]) {
      Deno.copyFileSync(join(root, file), join(directory, file));
    }
    const code = `import { openLibrary } from ${JSON.stringify(join(directory, "ffi/library.ts"))};
      try { openLibrary(); } catch (error) { console.log(error.name + ": " + error.message); }`;
    Deno.writeTextFileSync(join(directory, "main.ts"), code);
    const { stdout, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--config", join(root, "deno.json"), join(directory, "main.ts")],
    }).outputSync();
    const text = new TextDecoder().decode(stdout);
    assertStringIncludes(
      text,
      `GuestError: Taps, --chroot, --username and /dev/lguest need the C library: run "deno task build"`,
    );
    assertStringIncludes(text, join(directory, "ffi", LIBRARY_NAME));
    assertEquals(text.trimEnd().split("\n").length, 1, new TextDecoder().decode(stderr));
  }),
);
