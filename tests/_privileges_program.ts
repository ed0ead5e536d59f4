/**
 * What `privileges_test.ts` runs in a process of its own, since privileges cannot be had back: drops them as its
 * arguments say and prints what is left, as one line of JSON.
 *
 * Arguments: user, directory (`-` for none); then `keep` for a thread that keeps its capabilities.
 *
 * @module
 */
import { preparePrivileges } from "../lib/privileges.ts";
import { openLibrary } from "../ffi/library.ts";

const [user, directory, keep] = Deno.args.map((word) => word === "-" ? undefined : word);

/** Linux credentials belong to a thread: have one keep its capabilities when its user changes (PR_SET_KEEPCAPS). */
const KEEPER = `
  const libc = Deno.dlopen("libc.so.6", { prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" } });
  postMessage(libc.symbols.prctl(8, 1n, 0n, 0n, 0n));
  onmessage = () => {};
`;

/** The values of a field, over all threads. */
function field(name: string, statuses: readonly string[]): string[] {
  const values = statuses.map((status) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1]?.trim() ?? "none");
  return [...new Set(values)].map((value) => value.replaceAll("\t", " "));
}

function attempt(deed: () => unknown): string {
  try {
    return String(deed());
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

async function main(): Promise<unknown> {
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(KEEPER)}`, { type: "module" });
  await new Promise((resolve) => worker.onmessage = resolve);
  if (keep === undefined) worker.terminate();
  using privileges = preparePrivileges({ username: user, chroot: directory });
  const lines = privileges.drop();
  const library = openLibrary();
  const statuses = [...Deno.readDirSync("/proc/self/task")].map(({ name }) =>
    Deno.readTextFileSync(`/proc/self/task/${name}/status`)
  );
  return {
    lines,
    threads: statuses.length,
    uid: field("Uid", statuses),
    gid: field("Gid", statuses),
    groups: field("Groups", statuses),
    capabilities: [...field("CapEff", statuses), ...field("CapPrm", statuses)],
    back: library.lguest_setresuid(0),
    shadow: attempt(() => Deno.readTextFileSync("/etc/shadow").length > 0),
    cwd: attempt(() => Deno.cwd()),
    root: [...Deno.readDirSync("/")].map(({ name }) => name).sort(),
  };
}

try {
  console.log(JSON.stringify(await main()));
} catch (error) {
  console.log(JSON.stringify({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }));
}
Deno.exit(0);
