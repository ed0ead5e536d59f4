import { assertEquals, assertThrows } from "@std/assert";
import { writeCpio } from "../../lib/boot/cpio.ts";

Deno.test("writeCpio() writes every kind of entry, and the same bytes each time", () => {
  const entries = () =>
    writeCpio([
      { kind: "directory", path: "d" },
      { kind: "character", path: "d/c", major: 5, minor: 1 },
      { kind: "block", path: "d/b", major: 254, minor: 0, mode: 0o660 },
      { kind: "symlink", path: "l", target: "/file" },
      { kind: "file", path: "init", mode: 0o755, uid: 1, gid: 2, mtime: 3, data: new TextEncoder().encode("hello") },
    ]);
  const text = new TextDecoder("latin1").decode(entries());
  const fields = (path: string) => {
    const start = text.lastIndexOf("070701", text.indexOf(`${path}\0`));
    return Array.from(
      { length: 13 },
      (_, index) => parseInt(text.slice(start + 6 + index * 8, start + 14 + index * 8), 16),
    );
  };
  assertEquals(entries(), entries());
  assertEquals(fields("d"), [1, 0o040755, 0, 0, 2, 0, 0, 0, 0, 0, 0, 2, 0]);
  assertEquals(fields("d/c"), [2, 0o020600, 0, 0, 1, 0, 0, 0, 0, 5, 1, 4, 0]);
  assertEquals(fields("d/b"), [3, 0o060660, 0, 0, 1, 0, 0, 0, 0, 254, 0, 4, 0]);
  assertEquals(fields("l"), [4, 0o120777, 0, 0, 1, 0, 5, 0, 0, 0, 0, 2, 0]);
  assertEquals(fields("init"), [5, 0o100755, 1, 2, 1, 3, 5, 0, 0, 0, 0, 5, 0]);
  assertEquals(text.length % 4, 0);
  assertEquals(text.slice(-14).startsWith("TRAILER!!!"), true);
});

Deno.test("writeCpio() refuses what the format cannot hold", () => {
  assertThrows(() => writeCpio([{ kind: "directory", path: "/d" }]), RangeError, "without a slash");
  assertThrows(() => writeCpio([{ kind: "directory", path: "" }]), RangeError, "without a slash");
  assertThrows(() => writeCpio([{ kind: "directory", path: "d", uid: -1 }]), RangeError, "from 0 to 4294967295");
});
