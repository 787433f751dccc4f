/**
 * Functions of the platform that are others until disposed of, and errors as the
 * system gives them.
 */

/** A method of `target` is another until disposed of. */
export function replaced<T extends object, Name extends keyof T>(
  target: T,
  name: Name,
  by: (original: T[Name]) => T[Name],
): Disposable {
  const original = target[name];
  target[name] = by(original);
  return { [Symbol.dispose]: () => void (target[name] = original) };
}

/** An error of the system with this code. */
export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
