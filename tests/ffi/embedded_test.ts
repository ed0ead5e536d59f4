import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { embeddedLibrary, withFile } from "../../ffi/embedded.ts";
import { GuestError } from "../../lib/guest_error.ts";

const ignore = Deno.build.os !== "linux" || Deno.build.env !== "gnu" ||
  (["read", "write", "ffi", "env"] as const).some((name) => Deno.permissions.querySync({ name }).state !== "granted");

const BYTES = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);

Deno.test("a program that runs from source holds no C library", () => {
  assertEquals(embeddedLibrary("liblguest.so"), undefined);
});

Deno.test({
  name: "withFile() gives bytes a path in memory, which is gone afterwards",
  ignore,
  fn: () => {
    const link = withFile(BYTES, (path) => {
      assertMatch(path, /^\/proc\/self\/fd\/\d+$/);
      assertEquals(Deno.readFileSync(path), BYTES);
      return `${path} ${Deno.readLinkSync(path)}`;
    });
    const [path, target] = link.split(" ");
    assertMatch(target!, /^\/memfd:lguest/);
    const isThere = [...Deno.readDirSync("/proc/self/fd")].some(({ name }) => {
      try {
        return `/proc/self/fd/${name}` === path && Deno.readLinkSync(path).startsWith("/memfd:lguest");
      } catch {
        return false; // the descriptor that the directory was read by
      }
    });
    assert(!isThere, `${path} is still open`);
  },
});

Deno.test({
  name: "withFile() takes a temporary file if memory will not do, removes it, and says what failed with both",
  ignore,
  fn: () => {
    const paths: string[] = [];
    const answer = withFile(BYTES, (path) => {
      paths.push(path);
      if (paths.length === 1) throw new Error("not this one");
      assertEquals(Deno.readFileSync(path), BYTES);
      return "this one";
    });
    assertEquals([answer, paths.length], ["this one", 2]);
    assertThrows(() => Deno.statSync(paths[1]!), Deno.errors.NotFound);
    const fail = () => {
      throw new Error("no");
    };
    const error = assertThrows(() => withFile(BYTES, fail), GuestError, "(in memory: no; as a temporary file: no)");
    assertMatch(error.message, /TMPDIR.*--library=$/);
  },
});
