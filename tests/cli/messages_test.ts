import { assertEquals } from "@std/assert";
import { describeError } from "../../lib/cli/messages.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";
import { GuestError } from "../../lib/guest_error.ts";

Deno.test("describeError() gives a user's mistake its own words", () => {
  assertEquals(describeError(new UsageError("No kernel")), "No kernel");
  assertEquals(describeError(new GuestError("Kernel is empty")), "Kernel is empty");
});

Deno.test("describeError() makes one line of several", () => {
  assertEquals(describeError(new GuestError("one\n  two\r\nthree\n")), "one two three");
});

Deno.test("describeError() calls everything else internal", () => {
  assertEquals(
    describeError(new TypeError("x is undefined")),
    "Internal error: x is undefined (--verbose tells where)",
  );
  assertEquals(describeError("thrown"), "Internal error: thrown (--verbose tells where)");
});
