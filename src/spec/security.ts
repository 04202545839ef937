/** The `security` of a JobSpec: how hard the sandbox is, and what a job asks to have relaxed. */
import { z } from "zod";
import { CAPABILITIES, type CapabilityName } from "./capabilities.ts";
import { nearest } from "./nearest.ts";
import { OciSeccompSchema } from "./oci-seccomp.ts";
import { PROFILES, SHAREABLE } from "./security-names.ts";

export { type Profile, PROFILES, SHAREABLE, type Shareable } from "./security-names.ts";

/** The capability that a word names, with or without `CAP_`, in whatever case; the word in capitals where none does. */
export function capabilityName(word: string): string {
  return word.toUpperCase().replace(/^CAP_/, "");
}

/** Why a word names no capability, and the way out. */
export function unknownCapability(word: string): string {
  const meant = nearest(capabilityName(word), ["ALL", ...CAPABILITIES]);
  const help = meant === undefined ? "they are listed in capabilities(7)" : `did you mean ${meant}?`;
  return `there is no capability ${JSON.stringify(word)}; ${help}`;
}

const capability = z
  .string()
  .transform((word, context): CapabilityName | "ALL" => {
    const name = capabilityName(word);
    const known = name === "ALL" ? name : CAPABILITIES.find((one) => one === name);
    if (known !== undefined) return known;
    context.addIssue({ code: "custom", message: unknownCapability(word) });
    return z.NEVER;
  })
  .meta({ description: "A capability of capabilities(7), with or without CAP_, or ALL." });

const path = z
  .string()
  .max(4095, "must be shorter than 4096 bytes, the kernel's longest path")
  .refine((text) => !text.includes("\0"), "must not hold a NUL byte")
  .refine((text) => text.startsWith("/"), "must be an absolute path");

/** Seconds that a clock of the job's own time namespace is ahead of the host's; negative ones are behind it. */
const offset = z.int().min(-1_000_000_000).max(1_000_000_000);

export const SecuritySchema = z
  .strictObject({
    profile: z.enum(PROFILES).meta({ description: "How hard the sandbox is; `default` by default." }),
    userns: z
      .enum(["private", "host"])
      .meta({ description: "`host`: the job's ids are the host's. Needs the role admin." }),
    capAdd: z
      .array(capability)
      .max(64)
      .meta({ description: "Capabilities above the profile's, in its user namespace. Needs the role admin." }),
    capDrop: z.array(capability).max(64).meta({ description: "Capabilities of the profile that it does without." }),
    noNewPrivileges: z.boolean().meta({ description: "`false` lets set-user-ID programs work. Needs the role admin." }),
    seccomp: z.union([z.literal("unconfined"), OciSeccompSchema]).meta({
      description:
        "`unconfined`, or a filter in the form of the OCI runtime specification instead of the profile's. Needs the role admin.",
    }),
    read: z.array(path).max(64).meta({
      description: "Landlock: what may be read and executed beneath; everything that is in no list is refused.",
    }),
    write: z.array(path).max(64).meta({ description: "Landlock: what may be written too." }),
    maskPaths: z.boolean().meta({
      description: "`false` shows kernel files that are masked or read-only otherwise. Needs the role admin.",
    }),
    share: z.array(z.enum(SHAREABLE)).max(SHAREABLE.length).meta({
      description: "Namespaces that it shares with the host. Needs the role admin.",
    }),
    clock: z
      .strictObject({ monotonic: offset.default(0), boottime: offset.default(0) })
      .meta({ description: "A time namespace of its own, whose clocks differ by so many seconds." }),
    reportDenied: z.boolean().meta({
      description:
        "Says in the end record which system calls were denied. Once the daemon is restarted they answer ENOSYS, whatever the filter's own error is, and the record has no counts.",
    }),
    newSession: z.boolean().meta({
      description: "`false` leaves it in the session of `tele run`, so that a shell has job control.",
    }),
  })
  .partial();

export type Security = z.output<typeof SecuritySchema>;
