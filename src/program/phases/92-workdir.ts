/** The working directory, as the job's user may enter it. */
import type { Phase } from "../phase.ts";
import { step } from "../step.ts";

export const workdir: Phase = ({ spec }) => [step("workdir.enter", "chdir", [spec.workdir])];
