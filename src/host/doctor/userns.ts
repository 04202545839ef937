/** User namespaces: whether they can be made, with which ids, and whether a new /proc can be mounted in them. */
import { defaultRange, IDS_PER_JOB } from "../id-ranges.ts";
import { type MountLine, mountsIn } from "../mountinfo.ts";
import { type SubordinateIds, subordinateIds, usernsObstacle } from "../userns.ts";
import { install, userName } from "./distribution.ts";
import { type Finding, type Host, isHostRoot, lack, well } from "./finding.ts";

/** Whether user namespaces can be made: read first, because that names the cause, then tried. */
export function userNamespaces(host: Host): Finding {
  const obstacle = usernsObstacle(host.refusal, host);
  if (!obstacle) {
    const most = host.text("/proc/sys/user/max_user_namespaces").trim();
    return well("Isolation", "user namespaces", `tried, it works${most === "" ? "" : `; at most ${most}`}`);
  }
  return lack("failure", "Isolation", "user namespaces", {
    found: obstacle.why,
    cost: isHostRoot(host) ? "jobs start only with --userns host" : "no job starts",
    remedy: obstacle.remedy,
  });
}

const UIDMAP = {
  apt: "uidmap",
  dnf: "shadow-utils",
  pacman: "shadow",
  apk: "shadow-uidmap",
  zypper: "shadow",
} as const;

/** Which ids jobs get beside their user's own. */
export function subordinates(host: Host): Finding {
  const name = "subordinate ids";
  if (isHostRoot(host)) return rangeOfJobs(host);
  const user = userName(host, host.uid);
  const ids = subordinateIds(user, host.uid, host);
  const [uids, gids] = [total(ids.uids), total(ids.gids)];
  const found = [
    ...(ids.unusable === undefined ? [] : [ids.unusable]),
    ...(uids > 0 && gids > 0 ? [] : [`${user} has none in /etc/sub${uids > 0 ? "gid" : "uid"}`]),
  ];
  if (found.length === 0) return well("Isolation", name, `${Math.min(uids, gids)} for ${user}, by newuidmap`);
  return lack("warning", "Isolation", name, {
    found: found.join("; "),
    cost: "a job has a single id: what changes users in it (apt, su) fails",
    remedy: subordinateRemedy(host, user, ids),
  });
}

/** The ids that a daemon of root's gives its jobs. */
function rangeOfJobs(host: Host): Finding {
  const name = "subordinate ids";
  const range = defaultRange({
    subuid: host.text("/etc/subuid"),
    subgid: host.text("/etc/subgid"),
    uidMap: host.text("/proc/self/uid_map"),
    gidMap: host.text("/proc/self/gid_map"),
  });
  if (range) {
    const jobs = Math.floor(range.count / IDS_PER_JOB);
    return well("Isolation", name, `${IDS_PER_JOB} for each of ${jobs} jobs, from ${range.start} on`);
  }
  return lack("warning", "Isolation", name, {
    found: "not enough for a single job",
    cost: "jobs of tele serve start only with --userns host",
    remedy: "take the ranges that nobody needs out of /etc/subuid and /etc/subgid",
  });
}

function subordinateRemedy(host: Host, user: string, ids: SubordinateIds): string {
  const steps: string[] = [];
  if (ids.unusable?.includes("not installed")) steps.push(install(host, UIDMAP));
  else if (ids.unusable?.includes("set-user-ID")) steps.push("sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap");
  else if (ids.unusable !== undefined) steps.push("start it without no_new_privs (systemd: NoNewPrivileges=no)");
  for (const [kind, ranges] of [["uid", ids.uids] as const, ["gid", ids.gids] as const]) {
    if (total(ranges) > 0) continue;
    const start = firstFree(host.text(`/etc/sub${kind}`));
    steps.push(`sudo usermod --add-sub${kind}s ${start}-${start + IDS_PER_JOB - 1} ${user}`);
  }
  return steps.join(" && ");
}

/** Where the next range can begin: nobody else's, and none below those that useradd(8) gives. */
function firstFree(text: string): number {
  const ends = [...text.matchAll(/^[^:#\n]+:(\d+):(\d+)\s*$/gm)].map(
    ([, start, count]) => Number(start) + Number(count),
  );
  return Math.max(100_000, ...ends);
}

function total(ranges: SubordinateIds["uids"]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

/** Whether a new /proc can be mounted in a user namespace: only while an old one is to be seen in full (mount_too_revealing in fs/namespace.c). */
export function proc(host: Host): Finding {
  const hidden = hiddenBelowProc(host.text("/proc/self/mountinfo"));
  if (hidden.length === 0) return well("Isolation", "proc", "all of it is visible");
  const found = `covered: ${hidden.map((point) => point.replace(/^\/proc\//, "")).join(", ")}`;
  if (isHostRoot(host)) return well("Isolation", "proc", `${found}; root mounts a new one all the same`);
  return lack("failure", "Isolation", "proc", {
    found,
    cost: "no job starts: in a user namespace no new /proc is mounted while parts of the old one are hidden",
    remedy:
      "docker run --security-opt systempaths=unconfined, podman run --security-opt unmask=ALL, or in Kubernetes procMount: Unmasked",
  });
}

/** Directories that are there only to be mounted on: what they hide is nothing (mnt_already_visible in fs/namespace.c). */
const MADE_FOR_MOUNTS = ["sys/fs/binfmt_misc", "fs/nfsd"];

/** What is mounted over parts of /proc, unless another instance of it is to be seen in full. */
export function hiddenBelowProc(mountinfo: string): string[] {
  const mounts = mountsIn(mountinfo);
  const coversOf = ({ id, point }: MountLine): string[] =>
    mounts
      .filter((mount) => mount.parent === id && mount.id !== id)
      .filter((mount) => !MADE_FOR_MOUNTS.some((place) => mount.point === `${point}/${place}`))
      .map((mount) => mount.point);
  const covers = mounts.filter(({ type, root }) => type === "proc" && root === "/").map(coversOf);
  // The last one is the one that is seen: what lies over the others as a whole is no news.
  return covers.find((list) => list.length === 0) ?? covers.at(-1) ?? [];
}
