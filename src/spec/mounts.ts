/** What is mounted into a job's root besides what every sandbox has. */
import { z } from "zod";

const absolute = z
  .string()
  .max(4095, "must be shorter than 4096 bytes, the kernel's longest path")
  .refine((path) => !path.includes("\0"), "must not hold a NUL byte")
  .refine((path) => path.startsWith("/"), "must be an absolute path");
/** In the job's root. `..` would be resolved there too, but says nothing good of whoever wrote it. */
const target = absolute
  .refine((path) => !path.split("/").includes(".."), "must not hold '..'")
  .refine((path) => /[^/]/.test(path), "must lie below /");

export const MOUNT_TYPES = ["bind", "tmpfs", "proc", "dev"] as const;

export const MountSchema = z.discriminatedUnion(
  "type",
  [
    z.strictObject({
      type: z.literal("bind").meta({ description: "A file or directory of the host. Needs the role admin." }),
      source: absolute,
      target,
      readOnly: z.boolean().default(false),
    }),
    z.strictObject({
      type: z.literal("tmpfs"),
      target,
      size: z.int().min(4096).optional().meta({ description: "Bytes; the job's memory limit holds too." }),
      mode: z.int().min(0).max(0o1777).default(0o755),
    }),
    z.strictObject({
      type: z.enum(["proc", "dev"]).meta({ description: "Another place for the sandbox's own /proc or /dev." }),
      target,
    }),
  ],
  { error: `must be ${MOUNT_TYPES.map((type) => JSON.stringify(type)).join(" or ")}` },
);
export type Mount = z.output<typeof MountSchema>;

export const RootSchema = z.strictObject({
  type: z.enum(["host", "empty"]).meta({
    description: "`host`: the host's tree, read-only. `empty`: nothing but what `mounts` puts there.",
  }),
});
export type Root = z.output<typeof RootSchema>;
