import { afterEach, expect, jest, test } from "bun:test";
import { whenIdle } from "#runtime/idle.ts";

afterEach(() => {
  jest.useRealTimers();
});

test("a burst of starts is followed by one tidying up, when it is over", () => {
  jest.useFakeTimers();
  let tidied = 0;
  const idle = whenIdle(() => tidied++);
  for (let i = 0; i < 100; i++) {
    idle.busy();
    jest.advanceTimersByTime(500);
  }
  expect(tidied).toBe(0);
  jest.advanceTimersByTime(60_000);
  expect(tidied).toBe(1);
  idle.close();
});

test("a few starts are not worth it", () => {
  jest.useFakeTimers();
  let tidied = 0;
  const idle = whenIdle(() => tidied++);
  for (let i = 0; i < 10; i++) idle.busy();
  jest.advanceTimersByTime(60_000);
  expect(tidied).toBe(0);
  idle.close();
});
