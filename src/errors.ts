/** The closed list of problem codes: each is `urn:tele:problem:<code>` on the wire and decides status and exit code. */
export const CODES = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 409,
  PAYLOAD_TOO_LARGE: 413,
  RANGE_NOT_SATISFIABLE: 416,
  START_FAILED: 422,
  LIMIT_NOT_ENFORCEABLE: 422,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  INSUFFICIENT_STORAGE: 507,
} as const;

/** One of the closed list of problem codes. */
export type Code = keyof typeof CODES;

/** One fault of a request: where (a JSON pointer, or a flag's name) and what. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
}

/** What an error may carry beside its code; sentences are made of these once, in `cli/render` and `api/problem`. */
export interface ErrorFields {
  /** One clause that names the fault, without the way out. */
  readonly detail: string;
  /** What to do next, in one clause. */
  readonly hint?: string;
  /** Label of the step that failed, such as `pivot.swap`. */
  readonly step?: string;
  /** Name of the kernel's error, such as `EINVAL`. */
  readonly errno?: string;
  /** Every fault of a request, at once. */
  readonly faults?: readonly Fault[];
  /** The resource it is about, such as `jobs/…`. */
  readonly resource?: string;
}

/** The one error that crosses our folders; `fields.detail` is its message. */
export class TeleError extends Error {
  override readonly name = "TeleError";
  readonly code: Code;
  readonly fields: ErrorFields;
  constructor(code: Code, fields: ErrorFields, options?: ErrorOptions) {
    super(fields.detail, options);
    this.code = code;
    this.fields = fields;
  }
}
