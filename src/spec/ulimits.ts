/** `ulimits` of a JobSpec: resource limits of each of its processes, beside `limits.nofile` (getrlimit(2)). */
import { z } from "zod";
import { ULIMIT_NAMES } from "./security-names.ts";

export { ULIMIT_NAMES, type UlimitName } from "./security-names.ts";

const value = z.int().min(-1).meta({ description: "-1 is unlimited." });

export const UlimitsSchema = z.partialRecord(
  z.enum(ULIMIT_NAMES),
  z
    .strictObject({ soft: value, hard: value })
    .refine(({ soft, hard }) => hard === -1 || (soft !== -1 && soft <= hard), "soft must be at most hard"),
);
export type Ulimits = z.output<typeof UlimitsSchema>;
