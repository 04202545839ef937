/** The sandbox's own host name; set by the workload, so that the tether's part is the same for every job of a host. */
import type { Phase } from "../phase.ts";
import { step } from "../step.ts";

export const hostname: Phase = ({ spec }) => [
  step("hostname.set", "sethostname", [spec.hostname, Buffer.byteLength(spec.hostname)]),
];
