/**
 * Whether Debian's packages can be had and programs may be started here; where not, the tests that need them are
 * ignored, which the test runner shows.
 */
import { hasApt } from "../../scripts/debian.ts";

const permitted = (["run", "read", "write", "env"] as const)
  .every((name) => Deno.permissions.querySync({ name }).state === "granted");

/** Why a test that boots stock kernels is ignored: not permitted, or no apt. */
export const CANNOT_BOOT = !permitted || !await hasApt();

/** Whether a program can be found. */
export async function hasProgram(name: string): Promise<boolean> {
  if (!permitted) return false;
  return await runs(`command -v ${name}`);
}

/** Why a test of disks is ignored: as {@link CANNOT_BOOT}, or Debian's e2fsprogs is not there. */
export const CANNOT_USE_DISKS = CANNOT_BOOT || !await runs("mke2fs -V && e2fsck -V && debugfs -V");

/** Why a test of networks is ignored: as {@link CANNOT_BOOT}, or no network of one's own, with taps, can be had. */
export const CANNOT_USE_NETWORKS = CANNOT_BOOT || !await runs(
  "test -w /dev/net/tun && ip netns add $0 || exit 1; " +
    "ip -n $0 tuntap add tap0 mode tap && ip -n $0 link add br0 type bridge; status=$?; ip netns del $0; exit $status",
);

/** Whether a shell's command succeeds; its $0 is a name that is nobody else's. */
async function runs(command: string): Promise<boolean> {
  const args = ["-c", command, `lguest-needs-${Deno.pid}`];
  const { success } = await new Deno.Command("sh", { args, stdin: "null", stdout: "null", stderr: "null" }).output();
  return success;
}
