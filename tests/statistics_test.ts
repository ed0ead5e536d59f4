import { assertEquals } from "@std/assert";
import { sumTraffic } from "../lib/statistics.ts";

Deno.test("sumTraffic() adds devices of one kind and leaves out those that do not count", () => {
  const devices = [
    { traffic: { kind: "block", in: 1, out: 20 } },
    {},
    { traffic: { kind: "net", in: 300, out: 0 } },
    { traffic: { kind: "block", in: 4000, out: 50000 } },
  ];
  assertEquals(sumTraffic(devices), { block: { in: 4001, out: 50020 }, net: { in: 300, out: 0 } });
  assertEquals(sumTraffic([]), {});
});
