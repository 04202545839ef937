/** Entry of the one file. Nothing is imported here: `tele --version` answers before anything is loaded. */
import { VERSION } from "#version";

const argv = process.argv.slice(2);

if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
  // Not `writeSync`: node:fs alone costs a third of this process's time.
  console.log(`tele ${VERSION}`);
} else if (argv[0] === "run") {
  // A command line that ran before takes the short way, on which nothing of what the long one needs is loaded.
  void import("#runtime/foreground/lane.ts").then(async ({ runKept, leave }) => {
    const status = runKept(argv.slice(1), process.env);
    if (status !== undefined) leave(status);
    const { run } = await import("#cli/run.ts");
    process.exit(await run(argv));
  });
} else {
  // No top-level await: bytecode can then be made for either module format.
  void import("#cli/run.ts").then(({ run }) => run(argv)).then((status) => process.exit(status));
}
