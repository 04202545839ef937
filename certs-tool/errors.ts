/** What can go wrong here; `code` is the daemon's problem code of the same meaning, so that one renderer serves both. */
const FAULTS = {
  exists: "ALREADY_EXISTS",
  busy: "ALREADY_EXISTS",
  contextTaken: "ALREADY_EXISTS",
  noAuthority: "FAILED_PRECONDITION",
  authorityEnded: "FAILED_PRECONDITION",
  corrupt: "FAILED_PRECONDITION",
  exposed: "FAILED_PRECONDITION",
  revoked: "FAILED_PRECONDITION",
  unreadable: "FAILED_PRECONDITION",
  unwritable: "FAILED_PRECONDITION",
  unknown: "NOT_FOUND",
  ambiguous: "INVALID_ARGUMENT",
  badValue: "INVALID_ARGUMENT",
} as const;

/** The closed list of this tool's faults. */
export type CertFault = keyof typeof FAULTS;

/** The parts a message is made of: `detail` names the fault, `hint` the way out. */
export interface CertErrorFields {
  readonly detail: string;
  readonly hint: string;
  /** The file it is about. */
  readonly path?: string;
  /** Name of the kernel's error, such as `EACCES`. */
  readonly errno?: string;
}

/** The one error that leaves this folder: the same shape as the daemon's own (`code`, `fields.detail`, `fields.hint`). */
export class CertError extends Error {
  override readonly name = "CertError";
  readonly fault: CertFault;
  readonly code: (typeof FAULTS)[CertFault];
  readonly fields: CertErrorFields;
  constructor(fault: CertFault, fields: CertErrorFields, options?: ErrorOptions) {
    super(fields.detail, options);
    this.fault = fault;
    this.code = FAULTS[fault];
    this.fields = fields;
  }
}

/** A value of the command line that cannot be used. */
export function badValue(what: string, value: string, hint: string): CertError {
  return new CertError("badValue", { detail: `${what} ${JSON.stringify(value)} cannot be used`, hint });
}

/** A file whose content is not what it should be. */
export function corrupt(path: string, reason: string, hint: string): CertError {
  return new CertError("corrupt", { detail: `${path}: ${reason}`, hint, path });
}

/** The name of the kernel's error in what `node:fs` throws, or "" if it is none. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
