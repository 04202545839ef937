/** What this host offers to jobs: each finding with what it costs to lack it and the remedy. */
import { cgroups } from "./doctor/cgroups.ts";
import type { Finding, Host } from "./doctor/finding.ts";
import { landlock, namespaces, seccomp, securityModule, timeNamespace } from "./doctor/isolation.ts";
import { kernel, memfd, privileges, ptrace, releaseOf } from "./doctor/kernel.ts";
import { idMappedMounts, kvm, nftables, overlay } from "./doctor/resources.ts";
import { proc, subordinates, userNamespaces } from "./doctor/userns.ts";
import { landlockAbi } from "./facts.ts";
import { thisHost } from "./look.ts";
import { usernsProbe } from "./userns.ts";

/** This host and this process, ready to be examined: it has tried to make a user namespace, and left nothing behind. */
export function hostHere(): Host {
  return { ...thisHost, uid: process.geteuid?.() ?? 0, landlock: landlockAbi(), refusal: usernsProbe() };
}

/** Examines a host; reads, never changes. In the order of the groups. */
export function examineHost(host: Host = hostHere()): Finding[] {
  const findings = [
    kernel(releaseOf(host)),
    privileges(host),
    memfd(host),
    ptrace(host),
    namespaces(host),
    userNamespaces(host),
    subordinates(host),
    proc(host),
    ...seccomp(host),
    landlock(host),
    timeNamespace(host),
    securityModule(host),
    ...cgroups(host),
    overlay(host),
    idMappedMounts(host),
    nftables(host),
    kvm(host),
  ];
  return host.uid === 0 ? findings.map(withoutSudo) : findings;
}

/** Root needs none, and in a container there often is none. */
function withoutSudo({ remedy, ...finding }: Finding): Finding {
  return remedy === undefined ? finding : { ...finding, remedy: remedy.replaceAll("sudo ", "") };
}
