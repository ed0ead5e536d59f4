/**
 * The executable does what the program does from source, wherever it is started.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { LAUNCHER, launcherCommand, withKernel } from "../cli/_run.ts";
import {
  BASE,
  CANNOT_BUILD,
  CANNOT_MOUNT,
  CANNOT_TRACE,
  executable,
  inDirectory,
  run,
  succeeds,
} from "./_executable.ts";

const ignore = CANNOT_BUILD;

/** Why a test of what only holds without `deno compile` is ignored. */
const isCompiledByDeno = BASE === "denort";

/** What --verbose says when a Guest runs. */
const RUNNING = "First instruction";

/** Start a program that runs a Guest, do something to it once that runs, and wait for its end. */
async function runUntilRunning(
  [program, ...args]: readonly string[],
  then: (child: Deno.ChildProcess) => void,
): Promise<{ code: number; said: string }> {
  const child = new Deno.Command(program!, { args, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
  let said = "";
  try {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      const ran = said.includes(RUNNING);
      said += text;
      if (!ran && said.includes(RUNNING)) then(child);
    }
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    await child.status;
  }
  return { code: (await child.status).code, said };
}

for (
  const words of [
    ["--help"],
    ["--version"],
    [],
    ["64"],
    ["64", "/nonexistent/kernel"],
    ["64", "/dev/null", "--initrd=/nonexistent"],
    ["64", "/dev/null", "--block=/nonexistent/disk"],
    ["64", "/dev/null", "--username=nobody-of-this-name"],
    ["64", "/dev/null", "--chroot=/nonexistent/root"],
    ["--frobnicate"],
    // Words that Deno itself would take.
    ["run"],
    ["-A"],
    ["--allow-read", "64"],
    ["--", "--version"],
    ["-", "x"],
    ["--inspect", "--version"],
    ["", " ", "é\n\"'$x"],
    Array.from({ length: 20_000 }, (_, i) => `word${i}`),
  ]
) {
  const title = JSON.stringify(words).slice(0, 60);
  Deno.test({
    name: `the executable answers ${title} as the program does from source`,
    ignore,
    fn: async () => {
      assertEquals(await run([await executable(), ...words]), await run(launcherCommand(LAUNCHER, ...words)));
    },
  });
}

Deno.test({
  name: "the executable needs no variables, no home and no directory to write to",
  ignore,
  fn: async () => {
    const wanted = await run([await executable(), "--version"]);
    assertMatch(wanted.stdout, /^lguest \d+\.\d+\.\d+\n$/);
    assertEquals(await run([await executable(), "--version"], { clearEnv: true, cwd: "/proc" }), wanted);
  },
});

Deno.test({
  name: "on a terminal Deno adds nothing to what the executable says",
  ignore: ignore || !await succeeds("script -qec true /dev/null"),
  fn: async () => {
    const env = { DENO_NO_UPDATE_CHECK: "1" };
    for (const word of ["--version", "--frobnicate"]) {
      const [program, source] = [[await executable(), word], launcherCommand(LAUNCHER, word)].map((words) =>
        run(["script", "-qec", words.join(" "), "/dev/null"], { env })
      );
      assertEquals((await program!).stdout, (await source!).stdout);
    }
  },
});

Deno.test({
  name: "the executable takes no notice of what is meant for Deno in the directory it is started in",
  ignore,
  fn: () =>
    inDirectory(async (cwd) => {
      for (const name of ["deno.json", "package.json", "deno.lock", ".npmrc"]) {
        await Deno.writeTextFile(join(cwd, name), "no { JSON");
      }
      const { code, stderr } = await run([await executable(), "--version"], { cwd });
      assertEquals([code, stderr], [0, ""]);
    }),
});

for (const [signal, status] of [["TERM", 143], ["HUP", 129], ["INT", 130]] as const) {
  Deno.test({
    name: `the executable ends with ${status} at SIG${signal}`,
    ignore,
    fn: () =>
      withKernel(async (kernel) => {
        const words = [await executable(), "--verbose", "8", kernel];
        const { code, said } = await runUntilRunning(words, (child) => child.kill(`SIG${signal}`));
        assertEquals(code, status, said);
      }),
  });
}

Deno.test({
  name: "an error in the executable shows with --verbose where it came from, as a path in the repository",
  ignore: ignore || isCompiledByDeno,
  fn: async () => {
    const { stderr } = await run([await executable(), "--verbose", "64", "/etc/passwd"]);
    assertMatch(stderr, /\n {4}at launch \(lguest:\/lib\/cli\/launch\.ts:\d+:\d+\)\n/);
  },
});

Deno.test({
  name: "the executable writes to no file, connects to nothing and leaves none of Deno's files open",
  ignore: CANNOT_TRACE,
  fn: () =>
    withKernel((kernel, directory) =>
      inDirectory(async (home) => {
        // One file for each thread: in one for all, calls would be torn apart.
        const trace = ["strace", "-ff", "-o", join(directory, "trace"), "-e", "trace=%file,connect,bind"];
        const words = ["--chroot=/", "--username=nobody-of-this-name", "8", kernel];
        const { code } = await run([...trace, await executable(), ...words], {
          env: { HOME: home, XDG_CACHE_HOME: home },
        });
        assertEquals(code, 1);
        const calls = [...Deno.readDirSync(directory)].filter(({ name }) => name.startsWith("trace."))
          .flatMap(({ name }) => Deno.readTextFileSync(join(directory, name)).split("\n"));
        assert(calls.some((line) => line.includes('"/etc/passwd"')), "the log shows no calls");
        const changes = calls.filter((line) =>
          /\b(O_WRONLY|O_RDWR|O_CREAT)\b|^(creat|mk|rename|link|symlink|unlink|truncate|connect|bind)/.test(line) &&
          !line.includes(") = -1 E") && !/"\/dev\/(null|tty|pts\/\d+)"/.test(line)
        );
        assertEquals(changes, []);
        assertEquals([...Deno.readDirSync(home)], []);
      })
    ),
});

Deno.test({
  name: "the executable keeps only the user's files open when root and user have changed",
  ignore: CANNOT_MOUNT,
  fn: () =>
    withKernel((kernel, directory) =>
      inDirectory(async (root) => {
        await Deno.chmod(root, 0o755);
        const disk = join(directory, "disk");
        await Deno.writeFile(disk, new Uint8Array(4096));
        const words = ["--verbose", `--block=${disk}`, `--chroot=${root}`, "--username=nobody", "8", kernel];
        const { code, said } = await runUntilRunning([await executable(), ...words], (child) => {
          const process = `/proc/${child.pid}`;
          assertMatch(Deno.readTextFileSync(`${process}/status`), /^Uid:\t65534\t65534\t65534\t65534$/m);
          const open = [...Deno.readDirSync(`${process}/fd`)].map(({ name }) =>
            Deno.readLinkSync(`${process}/fd/${name}`)
          );
          const files = open.filter((path) => path.startsWith("/") && !/^\/dev\/(null|urandom)$/.test(path));
          assertEquals(files, [disk]);
          assertEquals(Deno.readLinkSync(`${process}/root`), root);
          child.kill("SIGTERM");
        });
        assertEquals(code, 143, said);
        assertStringIncludes(said, `Root directory is now "${root}"`);
      })
    ),
});

Deno.test({
  name: "the executable serves a tap by a Worker of its own",
  ignore: ignore || !await succeeds("unshare -n ip tuntap add tap0 mode tap"),
  fn: () =>
    withKernel(async (kernel) => {
      // In a network of its own, which is gone when the program ends.
      const words = ["unshare", "-n", await executable(), "--verbose", "--tunnet=192.0.2.1", "8", kernel];
      const { code, said } = await runUntilRunning(words, (child) => child.kill("SIGTERM"));
      assertEquals(code, 143, said);
      assertMatch(said, /device 2: net eth0/);
    }),
});

Deno.test({
  name: "the executable says that it needs /proc where there is none",
  ignore: CANNOT_MOUNT || isCompiledByDeno,
  fn: async () => {
    const script = 'umount -l /proc && exec "$0" --version';
    const { code, stdout, stderr } = await run(["unshare", "-m", "sh", "-c", script, await executable()]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /^lguest: \/proc is not there, [^\n]*\n$/);
  },
});

Deno.test({
  name: "the executable loads its C library from a temporary file, or says why it cannot",
  ignore: CANNOT_TRACE,
  fn: () =>
    withKernel((kernel, directory) =>
      inDirectory(async (temporary) => {
        const log = join(directory, "trace");
        const trace = [
          "strace",
          "-f",
          "-o",
          log,
          "-e",
          "trace=openat,memfd_create",
          "-e",
          "inject=memfd_create:error=ENOSYS",
        ];
        const words = [...trace, await executable(), "--username=nobody-of-this-name", "8", kernel];
        const onDisk = await run(words, { env: { TMPDIR: temporary } });
        assertStringIncludes(onDisk.stderr, 'User "nobody-of-this-name" does not exist');
        assertStringIncludes(await Deno.readTextFile(log), `${temporary}/lguest-`);
        assertEquals([...Deno.readDirSync(temporary)], []);
        const nowhere = await run(words, { env: { TMPDIR: "/nonexistent/directory" } });
        assertEquals(nowhere.code, 1);
        assertMatch(nowhere.stderr, /^lguest: The C library in this executable cannot be loaded [^\n]*TMPDIR[^\n]*\n$/);
      })
    ),
});

Deno.test({
  name: "strip refuses the executable instead of breaking it",
  ignore: ignore || isCompiledByDeno || !await succeeds("strip --version"),
  fn: async () => {
    const path = await executable();
    const target = join(dirname(path), "stripped");
    assertStringIncludes((await run(["strip", "-o", target, path])).stderr, "no sections");
    assertEquals(await succeeds(`test -e ${target}`), false);
  },
});
