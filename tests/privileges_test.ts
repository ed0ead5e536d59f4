/**
 * Dropping privileges, in processes of their own: see `_privileges_program.ts`.
 */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { buildLibrary } from "../ffi/build.ts";
import { GuestError } from "../lib/guest_error.ts";
import { preparePrivileges } from "../lib/privileges.ts";

const missing = whyNot();
const ignore = missing !== undefined;
const needs = ignore ? ` (${missing})` : "";

interface Report {
  error?: string;
  lines: string[];
  threads: number;
  uid: string[];
  gid: string[];
  groups: string[];
  capabilities: string[];
  back: number;
  shadow: string;
  cwd: string;
  root: string[];
}

/** Why this cannot be tested here, or `undefined` if it can. */
function whyNot(): string | undefined {
  for (const name of ["run", "read", "write", "ffi", "sys"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "granted") return `needs the permission "${name}"`;
  }
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "needs root on Linux";
  try {
    buildLibrary();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Drop privileges in a process that is started through another program (`env` for none). */
async function drop(through: readonly string[], ...words: string[]): Promise<Report> {
  const program = fromFileUrl(new URL("./_privileges_program.ts", import.meta.url));
  const [first = "env", ...rest] = through;
  const command = [...rest, Deno.execPath(), "run", "-A", program, ...words];
  const { stdout, stderr } = await new Deno.Command(first, { args: command }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text !== "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

function withDirectory<T>(deed: (directory: string) => Promise<T>): () => Promise<void> {
  return async () => {
    const directory = Deno.makeTempDirSync({ prefix: "lguest_root_" });
    try {
      Deno.chmodSync(directory, 0o755);
      await deed(directory);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  };
}

Deno.test("nothing asked for needs no C library and does nothing", () => {
  using privileges = preparePrivileges({ library: "/nowhere" });
  assertEquals(privileges.drop(), []);
});

Deno.test(`every thread becomes the user, with its groups only and no way back${needs}`, { ignore }, async () => {
  const report = await drop(["setpriv", "--groups=4,24,27"], "nobody", "-");
  assertEquals(report.lines, [`User is now "nobody" (65534, group 65534)`]);
  assert(report.threads > 1);
  assertEquals(report.uid, ["65534 65534 65534 65534"]);
  assertEquals(report.gid, ["65534 65534 65534 65534"]);
  assertEquals(report.groups, ["65534"]);
  assertEquals(report.capabilities, ["0000000000000000", "0000000000000000"]);
  assertEquals([report.back, report.shadow], [-1, "PermissionDenied"]);
});

Deno.test(
  `the root directory changes, then the user, and nothing above can be seen${needs}`,
  { ignore },
  withDirectory(async (directory) => {
    Deno.mkdirSync(`${directory}/proc`);
    // The program looks into /proc afterwards; a mount of its own, which goes with it.
    const script = `mount -t proc none ${directory}/proc && exec "$@"`;
    const report = await drop(["unshare", "-m", "sh", "-c", script, "sh"], "nobody", directory);
    assertEquals(report.error, undefined);
    assertEquals(report.lines.length, 2);
    assertEquals([report.cwd, report.shadow], ["/", "NotFound"]);
    assertEquals(report.root, ["proc"]);
    assertEquals(report.uid, ["65534 65534 65534 65534"]);
  }),
);

Deno.test(`a thread that keeps capabilities is found, and the Guest does not run${needs}`, { ignore }, async () => {
  const { error = "" } = await drop([], "nobody", "-", "keep");
  assertMatch(error, /^GuestError: Thread \d+ did not become user "nobody" \(CapPrm [0-9a-f]+\): refusing to run/);
});

Deno.test(`without the right to change root or user it is one line that says so${needs}`, { ignore }, async () => {
  for (const set of ["-setuid", "-setgid"]) {
    const { error } = await drop(["setpriv", `--bounding-set=${set}`], "nobody", "-");
    assertEquals(error, `GuestError: Cannot become user "nobody": not permitted; start lguest as root`);
  }
  const { error } = await drop(["setpriv", "--bounding-set=-sys_chroot"], "-", "/tmp");
  assertEquals(error, `GuestError: Root directory cannot be changed to "/tmp": not permitted; start lguest as root`);
});

Deno.test(`users and directories that do not exist are named before anything is dropped${needs}`, { ignore }, () => {
  assertThrows(() => preparePrivileges({ username: "no such" }), GuestError, `User "no such" does not exist`);
  assertThrows(() => preparePrivileges({ chroot: "/no/such" }), GuestError, `"/no/such" does not exist`);
  assertThrows(() => preparePrivileges({ chroot: "/dev/null" }), GuestError, `"/dev/null" is not a directory`);
  assertThrows(() => preparePrivileges({ chroot: "/dev/null", library: "/no/such" }), GuestError, `"/no/such"`);
});

Deno.test(`directories are open until privileges are disposed of, or refused${needs}`, { ignore }, () => {
  const before = openDirectories();
  const privileges = preparePrivileges({ username: "nobody", chroot: "/tmp" });
  assertEquals(openDirectories().length, before.length + 2);
  privileges[Symbol.dispose]();
  assertThrows(() => preparePrivileges({ username: "nobody", chroot: "/dev/null" }), GuestError, "not a directory");
  assertEquals(openDirectories(), before);
});

/** What this process's descriptors lead to, of those that lead to directories. */
function openDirectories(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      const path = `/proc/self/fd/${name}`;
      return Deno.statSync(path).isDirectory ? [Deno.readLinkSync(path)] : [];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return []; // the one that this listing was read by
      throw error;
    }
  });
}
