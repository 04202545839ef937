import { resolve } from "node:path";
import { CertError } from "./errors.ts";
import { clientFile, existsError, pathsOf, readIfThere, writeAtomic } from "./files.ts";
import { selectRecords } from "./issued.ts";
import { loadAuthorityCertificate, loadPair, type Pair } from "./load.ts";
import { loadIndex, serverAddress } from "./main.ts";
import { parseUser } from "./values.ts";

/** The files and the address that a curl line needs. */
export interface CurlParts {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly server: string;
}

/** The words of a curl command that asks a server for its jobs. */
export function curlWords({ ca, cert, key, server }: CurlParts): string[] {
  return ["curl", "--cacert", ca, "--cert", cert, "--key", key, `${server}/v1/jobs`];
}

/** Words as one line of a POSIX shell. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

function loadClient(dir: string, text: string): { readonly name: string; readonly file: string; readonly pair: Pair } {
  const name = parseUser(text);
  const { records } = loadIndex(dir);
  const file = clientFile(dir, name);
  if (readIfThere(file) === undefined) {
    selectRecords(records, name);
    throw new CertError("unknown", {
      detail: `the key of ${name} is not in ${dir}`,
      hint: `it was issued elsewhere with --out; for a new key here: tele cert renew ${name}`,
      path: file,
    });
  }
  return { name, file, pair: loadPair(file) };
}

/** The words of a curl command that acts as a user. */
export function exportCurl(dir: string, name: string): string[] {
  const { file } = loadClient(dir, name);
  return curlWords({ ca: pathsOf(dir).ca, cert: file, key: file, server: serverAddress(dir) });
}

/** Writes a user's key and certificate and the authority's certificate as PKCS#12, for browsers and keychains. */
export async function exportP12(
  dir: string,
  name: string,
  to: { readonly file: string; readonly password: string; readonly force?: boolean },
): Promise<{ readonly file: string; readonly name: string }> {
  if (to.password === "")
    throw new CertError("badValue", {
      detail: "the password is empty",
      hint: "give one: keychains refuse files without",
    });
  const client = loadClient(dir, name);
  const file = resolve(to.file);
  if (!to.force && readIfThere(file) !== undefined) throw existsError(file);
  const authority = loadAuthorityCertificate(dir);
  const { makePkcs12 } = await import("./pkcs12.ts");
  const data = await makePkcs12({
    name: client.name,
    password: to.password,
    key: client.pair.key.export({ type: "pkcs8", format: "der" }),
    certificate: client.pair.certificate.raw,
    authority: authority.certificate.raw,
  });
  writeAtomic(file, data, 0o600, to.force ?? false);
  return { file, name: client.name };
}
