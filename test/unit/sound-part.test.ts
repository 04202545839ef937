// What of a wrong spec can still be examined.
import { expect, test } from "bun:test";
import { JobSpecSchema } from "#spec/schema.ts";
import { soundPart } from "#spec/sound-part.ts";

const part = (input: unknown) => {
  const parsed = JobSpecSchema.safeParse(input);
  if (parsed.success) throw new Error("a good spec");
  return soundPart(input, parsed.error);
};

test("fields with a fault are as if they had been left out, the others stay", () => {
  const sound = part({ command: ["ls"], workdir: "rel", user: "nosuch", hostname: "-", unknown: 1 });
  expect(sound).toMatchObject({ command: ["ls"], workdir: "/", user: "nosuch", hostname: "sandbox" });
});

test("of security only what is wrong is left out", () => {
  const sound = part({ command: ["ls"], security: { profile: "none", read: ["/usr"], capAdd: ["NOPE"], odd: 1 } });
  expect(sound?.security).toEqual({ read: ["/usr"] });
});

test("a wrong command is any command, and too long arguments are none", () => {
  expect(part({ user: "nosuch" })).toMatchObject({ command: ["true"], user: "nosuch" });
  expect(part({ command: [], user: "nosuch" })).toMatchObject({ command: ["true"] });
  expect(part({ command: Array.from({ length: 20 }, () => "x".repeat(100_000)), user: "1:2" })).toMatchObject({
    command: ["true"],
    user: "1:2",
  });
});

for (const input of [null, 7, "text", [], [{ command: ["ls"] }]])
  test(`${JSON.stringify(input)} has no sound part`, () => expect(part(input)).toBeUndefined());
