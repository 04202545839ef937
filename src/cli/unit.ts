/** The systemd unit of the daemon. */

/** A unit that runs this binary; every line that is not obvious says why. */
export function unitText(binary: string): string {
  return `# tele: runs other people's programs safely
# Install as /etc/systemd/system/tele.service, then: systemctl enable --now tele
[Unit]
Description=tele job server
Documentation=https://localhost:6443/openapi.json
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart=${binary} serve
Restart=on-failure
# No Delegate: jobs live in /tele, beside systemd's own cgroups. A delegated unit that still holds jobs cannot be
# started again before systemd 254 (DelegateSubgroup).
# A restart of the daemon is not the end of its jobs.
KillMode=process
# The kernel should look for memory in the jobs first.
OOMScoreAdjust=-900
LimitNOFILE=524288
TasksMax=infinity
# These would change what the runtime inside the binary does.
UnsetEnvironment=BUN_OPTIONS NODE_OPTIONS NODE_TLS_REJECT_UNAUTHORIZED NODE_EXTRA_CA_CERTS

[Install]
WantedBy=multi-user.target
`;
}
