/** The sandbox's own host name, which only the workload's uts namespace has. */
import type { Phase } from "../phase.ts";
import { step } from "../step.ts";

export const hostname: Phase = ({ spec, policy }) =>
  policy.share.includes("uts")
    ? []
    : [step("hostname.set", "sethostname", [spec.hostname, Buffer.byteLength(spec.hostname)])];
