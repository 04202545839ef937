import { EXIT, exitOfError } from "./exit.ts";
import { note } from "./output.ts";

/**
 * Does the same for several names, one after the other, and does not let one failure keep it from the rest. Resolves
 * with the status: that of the first failure.
 */
export async function forEachName(names: readonly string[], act: (name: string) => Promise<void>): Promise<number> {
  const [only] = names;
  if (names.length === 1 && only !== undefined) {
    await act(only);
    return EXIT.OK;
  }
  let status: number = EXIT.OK;
  for (const name of new Set(names)) {
    try {
      await act(name);
    } catch (error) {
      if (!(error instanceof Error && "fields" in error)) throw error;
      const { renderError } = await import("./render/error.ts");
      note(renderError(error));
      status ||= exitOfError(error);
    }
  }
  return status;
}
