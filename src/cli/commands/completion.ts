import { command } from "../command.ts";
import { print } from "../output.ts";
import { usageError } from "../usage-error.ts";

export default command({
  name: "completion",
  description: "Print a completion script for a shell",
  about: "Names of jobs are completed by asking the server. The shell is that of $SHELL unless one is given.",
  args: {
    shell: { type: "positional", required: false, valueHint: "bash|zsh|fish", description: "Which shell" },
  },
  examples: [
    "source <(tele completion bash)",
    "tele completion zsh > ~/.zfunc/_tele",
    "tele completion fish > ~/.config/fish/completions/tele.fish",
  ],
  run: async ({ flags }) => {
    const shell = flags.shell ?? process.env["SHELL"]?.split("/").at(-1) ?? "";
    const { completionModel } = await import("../completion/model.ts");
    if (shell === "bash") print((await import("../completion/bash.ts")).bashScript(await completionModel()));
    else if (shell === "zsh") print((await import("../completion/zsh.ts")).zshScript(await completionModel()));
    else if (shell === "fish") print((await import("../completion/fish.ts")).fishScript(await completionModel()));
    else throw usageError(`there is no completion for ${JSON.stringify(shell)}`, "use one of: bash, zsh, fish");
    return 0;
  },
});
