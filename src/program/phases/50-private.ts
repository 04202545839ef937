/** Private `/tmp` and `/run`, and an empty cover over each directory of ours: state and keys are nobody's business inside. */
import { MS } from "#ffi/abi/mount.ts";
import type { ShapePhase } from "../shape.ts";
import { type Step, step } from "../step.ts";

export const privateDirectories: ShapePhase = ({ facts, root }) => [
  // Covered first: what lies below /tmp or /run is gone from sight in the next step anyway. What the tether may not reach
  // (EACCES) the job may not either: its user has no right in this tree that ours has not.
  ...(root === "empty" ? [] : facts.hide).map(
    (path, index): Step =>
      step(
        `hide.cover-${index}`,
        "mount",
        ["tmpfs", path, "tmpfs", MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC, "mode=755"],
        { tolerate: ["ENOENT", "EACCES"] },
      ),
  ),
  step("tmp.mount", "mount", ["tmpfs", "/tmp", "tmpfs", MS.NOSUID | MS.NODEV, "mode=1777"]),
  step("run.mount", "mount", ["tmpfs", "/run", "tmpfs", MS.NOSUID | MS.NODEV, "mode=755"]),
];
