import type * as X509 from "@peculiar/x509";

/** The library, as a namespace. */
export type Library = typeof X509;

/**
 * Loads @peculiar/x509 after the metadata of decorators that it finds its parts through. One `import()` after the other,
 * because two `import` statements are not enough: Bun 1.4.5 has been seen to run the second first, now and then when the
 * first is an ES module, and always in a bundle that is not split when it is CommonJS.
 */
export async function loadX509(): Promise<Library> {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}
