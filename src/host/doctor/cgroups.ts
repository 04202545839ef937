/** Limits: which cgroup hierarchy has each controller, and whether this user may use it. */
import { type Hierarchies, type Hierarchy, readHierarchies } from "../cgroup/hierarchies.ts";
import type { Look } from "../look.ts";
import { type Finding, type Host, isHostRoot, lack, well } from "./finding.ts";

const CONTROLLERS = ["cpu", "memory", "io", "pids"] as const;

/** Layout, then each controller; for an ordinary user what was delegated comes first. */
export function cgroups(host: Host): Finding[] {
  const hierarchies = readHierarchies(host.text("/proc/self/mountinfo"), host.text("/proc/self/cgroup"));
  if (hierarchies.layout === "none")
    return [
      lack("warning", "Limits", "cgroup layout", {
        found: "no cgroup file system is mounted",
        cost: "no limit of cpu, memory, pids or io is held",
        remedy: "sudo mount -t cgroup2 none /sys/fs/cgroup",
      }),
    ];
  const layout = well("Limits", "cgroup layout", hierarchies.layout);
  if (isHostRoot(host) || host.uid === 0)
    return [layout, ...CONTROLLERS.map((controller) => holder(host, hierarchies, controller))];
  const delegated = delegation(host, hierarchies.v2);
  const offered = delegated === undefined ? [] : controllersOf(host, delegated);
  // A hybrid host's v2 may be divided too, but has none of the controllers.
  const useless = hierarchies.layout !== "v2" && !CONTROLLERS.some((controller) => offered.includes(controller));
  if (delegated === undefined || useless) return [layout, nothingDelegated(host, hierarchies)];
  return [
    layout,
    well("Limits", "cgroup delegation", delegated),
    ...CONTROLLERS.map((controller): Finding => {
      const name = `${controller} controller`;
      if (offered.includes(controller)) return well("Limits", name, "cgroup2, delegated");
      return lack("warning", "Limits", name, {
        found: "not delegated to this user",
        cost: `the ${controller} limit of jobs is not held (enforced: none)`,
        remedy: DELEGATE,
      });
    }),
  ];
}

const DELEGATE =
  "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload # then log in anew";

/** The highest cgroup above this process that its user may divide: processes move only below it (cgroup-v2.rst, Delegation). */
export function delegation(look: Look, v2: Hierarchy | undefined): string | undefined {
  if (v2?.own === undefined) return undefined;
  const { mount, own } = v2;
  const below = own.slice(mount.length).split("/").filter(Boolean);
  const upwards = [...below.keys(), below.length]
    .map((count) => [mount, ...below.slice(0, count)].join("/"))
    .toReversed();
  const foreign = upwards.findIndex((path) => !look.may(path, "write") || !look.may(`${path}/cgroup.procs`, "write"));
  return upwards[(foreign < 0 ? upwards.length : foreign) - 1];
}

function nothingDelegated(host: Host, { layout, v2 }: Hierarchies): Finding {
  const cost = "limits of cpu, memory, io and pids are not held (enforced: none)";
  if (layout !== "v2")
    return lack("warning", "Limits", "cgroup delegation", {
      found: `none: on a ${layout} host only root divides cgroups`,
      cost,
      remedy: "boot with systemd.unified_cgroup_hierarchy=1, for cgroup v2 alone",
    });
  return lack("warning", "Limits", "cgroup delegation", {
    found: `none: ${v2?.own ?? "this cgroup"} is not this user's`,
    cost,
    remedy: host.exists(`/run/user/${host.uid}/systemd`)
      ? "systemd-run --user --scope -p Delegate=yes -- tele run ..."
      : "log in by a systemd session, then: systemd-run --user --scope -p Delegate=yes -- tele run ...",
  });
}

function holder(look: Look, { v1, v2 }: Hierarchies, controller: (typeof CONTROLLERS)[number]): Finding {
  const name = `${controller} controller`;
  const first = v1.find((hierarchy) => hierarchy.controllers.includes(controller));
  const unified = v2 !== undefined && controllersOf(look, v2.mount).includes(controller);
  const mount = unified ? v2.mount : first?.mount;
  const cost = `the ${controller} limit of jobs is not held (enforced: none)`;
  if (mount === undefined)
    return lack("warning", "Limits", name, {
      found: "nobody has it",
      cost,
      remedy: `boot with the ${controller} controller enabled (cgroup_enable=${controller})`,
    });
  const by = unified ? "cgroup2" : "cgroup1";
  if (look.may(mount, "write")) return well("Limits", name, by);
  return lack("warning", "Limits", name, {
    found: `${by}, but ${mount} cannot be written`,
    cost,
    remedy: "run it outside of containers with a read-only cgroup mount (docker run --privileged --cgroupns=host)",
  });
}

function controllersOf(look: Look, directory: string): string[] {
  return look.text(`${directory}/cgroup.controllers`).trim().split(/\s+/);
}
