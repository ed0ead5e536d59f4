import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { LogFile } from "../../lib/cli/log_file.ts";
import { GuestError } from "../../lib/guest_error.ts";

const ignore = (["read", "write"] as const).some((name) => Deno.permissions.querySync({ name }).state !== "granted");

/** `/dev/full` is a special file: to Deno only who may do all may open it. */
const mayOpenDevices = (["read", "write", "env", "run", "ffi", "sys", "net"] as const)
  .every((name) => Deno.permissions.querySync({ name }).state === "granted");

Deno.test({
  name: "LogFile.write() puts the time, the kind and the line into a file that was emptied",
  ignore,
  fn: async () => {
    const path = await Deno.makeTempFile({ prefix: "lguest-test-" });
    try {
      await Deno.writeTextFile(path, "from the last time, and long");
      const times = [0, 1234.5678, 1_000_000];
      using log = new LogFile(path, () => {}, () => times.shift()!);
      log.write("one");
      log.write("two", "warning");
      log.write("three\nfour", "error");
      assertEquals(
        await Deno.readTextFile(path),
        "[    0.000000] one\n[    1.234568] warning: two\n[ 1000.000000] error: three\nfour\n",
      );
    } finally {
      await Deno.remove(path);
    }
  },
});

Deno.test({
  name: "LogFile refuses a file that cannot be written, with its name",
  ignore,
  fn: () => {
    assertThrows(() => new LogFile("/nonexistent/log", () => {}), GuestError, '"/nonexistent/log" cannot be created');
    assertThrows(() => new LogFile("/", () => {}), GuestError, '"/" is a directory');
  },
});

Deno.test({
  name: "LogFile.write() tells once of a file that is full, and goes on without it",
  ignore: !mayOpenDevices || Deno.build.os !== "linux",
  fn: () => {
    const told: string[] = [];
    using log = new LogFile("/dev/full", (line) => told.push(line));
    log.write("one");
    log.write("two");
    assertEquals(told.length, 1);
    assertMatch(told[0]!, /^Log file "\/dev\/full" cannot be written any more: .*; the Guest goes on without it$/);
  },
});
