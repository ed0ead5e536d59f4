/** `main.ts` with the fake engine of `../guest/_fake_engine.ts`, which executes the kernel's words. */
import { launch } from "../../lib/cli/launch.ts";

Deno.exit(await launch(Deno.args, new URL("../guest/_fake_vcpu_worker.ts", import.meta.url)));
