import { createHash } from "node:crypto";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";

/** What goes into a PKCS#12 file; keys and certificates are DER. */
export interface Pkcs12Parts {
  readonly name: string;
  readonly password: string;
  /** PKCS#8. */
  readonly key: Uint8Array;
  readonly certificate: Uint8Array;
  readonly authority: Uint8Array;
}

/**
 * Rounds of each of the three derivations. The MAC needs as many as the others, or the password would be guessed by
 * it; more than 600,000 in all are refused by .NET's importer (KB5025823).
 */
const ROUNDS = 100_000;

/** RFC 7292, appendix D, and RFC 2985, 5.5. */
const OID = {
  keyBag: "1.2.840.113549.1.12.10.1.2",
  certBag: "1.2.840.113549.1.12.10.1.3",
  friendlyName: "1.2.840.113549.1.9.20",
  localKeyId: "1.2.840.113549.1.9.21",
};

/** A copy that owns its buffer, which is what pkijs takes. */
function buffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/** A PKCS#12 file: PBES2 with AES-256-CBC and PBKDF2-SHA-256 (RFC 8018) around key and certificates, MAC with SHA-256. */
export async function makePkcs12(parts: Pkcs12Parts): Promise<Uint8Array> {
  const password = buffer(new TextEncoder().encode(parts.password));
  const encryption = {
    password,
    contentEncryptionAlgorithm: { name: "AES-CBC", length: 256 },
    hmacHashAlgorithm: "SHA-256",
    iterationCount: ROUNDS,
  };
  const localKeyId = createHash("sha1").update(parts.certificate).digest();
  const attributes = () => [
    new pkijs.Attribute({ type: OID.friendlyName, values: [new asn1js.BmpString({ value: parts.name })] }),
    new pkijs.Attribute({ type: OID.localKeyId, values: [new asn1js.OctetString({ valueHex: buffer(localKeyId) })] }),
  ];
  const keyBag = new pkijs.PKCS8ShroudedKeyBag({ parsedValue: pkijs.PrivateKeyInfo.fromBER(buffer(parts.key)) });
  await keyBag.makeInternalValues(encryption);
  const certBag = (der: Uint8Array) => new pkijs.CertBag({ parsedValue: pkijs.Certificate.fromBER(buffer(der)) });
  const keys = [new pkijs.SafeBag({ bagId: OID.keyBag, bagValue: keyBag, bagAttributes: attributes() })];
  const certificates = [
    new pkijs.SafeBag({ bagId: OID.certBag, bagValue: certBag(parts.certificate), bagAttributes: attributes() }),
    new pkijs.SafeBag({ bagId: OID.certBag, bagValue: certBag(parts.authority) }),
  ];
  // Privacy mode 0 is "not encrypted again": the key's bag is encrypted itself. 1 is by password.
  const safe = new pkijs.AuthenticatedSafe({
    parsedValue: {
      safeContents: [
        { privacyMode: 0, value: new pkijs.SafeContents({ safeBags: keys }) },
        { privacyMode: 1, value: new pkijs.SafeContents({ safeBags: certificates }) },
      ],
    },
  });
  await safe.makeInternalValues({ safeContents: [{}, encryption] });
  const pfx = new pkijs.PFX({ parsedValue: { integrityMode: 0, authenticatedSafe: safe } });
  const mac = { password, iterations: ROUNDS, pbkdf2HashAlgorithm: "SHA-256", hmacHashAlgorithm: "SHA-256" };
  await pfx.makeInternalValues(mac);
  return new Uint8Array(pfx.toSchema().toBER());
}
