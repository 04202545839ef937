/** A profile for AppArmor. */

/** Lets one program use user namespaces, as Ubuntu's own profiles do for browsers and bwrap; it confines nothing. */
export function appArmorProfileText(binary: string): string {
  return `# tele: runs other people's programs safely. Its sandboxes are user namespaces, which Ubuntu 23.10 and newer keep
# from programs without a profile (kernel.apparmor_restrict_unprivileged_userns).
# Install as /etc/apparmor.d/tele, then: apparmor_parser -r /etc/apparmor.d/tele
abi <abi/4.0>,
include <tunables/global>

profile tele "${binary}" flags=(unconfined) {
  userns,
  include if exists <local/tele>
}
`;
}
