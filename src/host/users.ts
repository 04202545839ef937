/** Users of the host, for jobs that run in its root file system (passwd(5), group(5)). */
import { readFileSync, statSync } from "node:fs";
import { TeleError } from "#errors";
import type { Identity } from "#spec/facts.ts";

/** The highest id: the next one is -1, which setresuid(2) takes for "as it is", and beyond it they begin at 0 again. */
const HIGHEST_ID = 4_294_967_294;

/** Looks up `name`, `uid` or `uid:gid`. A number need not be in the files, a name must: INVALID_ARGUMENT. */
export function lookupUser(user: string): Identity {
  return identityOf(user, passwd(), group());
}

/** The same in these lines of passwd(5) and group(5). */
export function identityOf(user: string, passwd: readonly string[][], group: readonly string[][]): Identity {
  const [first = "", second] = user.split(":");
  const numeric = /^\d+$/.test(first);
  for (const number of [...(numeric ? [first] : []), ...(second === undefined ? [] : [second])]) checkId(number);
  const entry = passwd.find(
    ([name, , uid, gid]) => isId(uid) && isId(gid) && (numeric ? Number(uid) === Number(first) : name === first),
  );
  if (!numeric && !entry) {
    throw new TeleError("INVALID_ARGUMENT", {
      detail: `there is no user ${first} in the job's root file system`,
      hint: "name one of its /etc/passwd, or give a number",
      faults: [{ pointer: "/user", detail: `no such user: ${first}` }],
    });
  }
  const uid = numeric ? Number(first) : Number(entry?.[2]);
  const primary = Number(entry?.[3] ?? 0);
  const gid = second === undefined ? primary : Number(second);
  const name = entry?.[0];
  // Supplementary groups only where the primary one was not chosen, as docker does.
  const groups =
    second === undefined && name !== undefined && uid !== 0
      ? group.filter((g) => isId(g[2]) && (g[3] ?? "").split(",").includes(name)).map((g) => Number(g[2]))
      : [];
  return { uid, gid, groups: [...new Set(groups)], home: entry?.[5] || "/" };
}

function isId(text: string | undefined): boolean {
  return text !== undefined && /^\d+$/.test(text) && Number(text) <= HIGHEST_ID;
}

function checkId(text: string): void {
  if (isId(text)) return;
  throw new TeleError("INVALID_ARGUMENT", {
    detail: `${text} is no id of a user or group`,
    hint: `ids are numbers of at most ${HIGHEST_ID}`,
    faults: [{ pointer: "/user", detail: `${text}: ids are at most ${HIGHEST_ID}` }],
  });
}

const passwd = cached("/etc/passwd");
const group = cached("/etc/group");

/** Lines of a colon-separated file, read again only when it changed. */
function cached(path: string): () => readonly string[][] {
  let stamp = -1;
  let rows: string[][] = [];
  return () => {
    const now = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (now !== stamp) {
      rows =
        now === 0
          ? []
          : readFileSync(path, "utf8")
              .split("\n")
              .filter((line) => line !== "" && !line.startsWith("#"))
              .map((line) => line.split(":"));
      stamp = now;
    }
    return rows;
  };
}
