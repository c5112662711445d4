/** What the server answered instead of what was asked for: a problem document (RFC 9457). */
export class Problem extends Error {
  readonly status: number;
  /** Stable, for programs; `unreachable` when there was no answer at all. */
  readonly code: string;
  readonly hint: string | null;

  constructor(status: number, code: string, detail: string, hint: string | null = null) {
    super(detail);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** Called when an answer says that nobody is signed in any more. */
let onSignedOut: () => void = () => {};

/** Names who is told when the sign-in has ended. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/** Says to the server that a page of its own asks, as no page of another origin can. */
const PAGE_HEADER = { "greenroom-console": "1" };

interface Options {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** Asks the server; `path` is relative to the page, so that a path prefix works. */
export async function ask(path: string, options: Options = {}): Promise<Response> {
  const headers: Record<string, string> = { ...PAGE_HEADER, ...options.headers };
  if (options.body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method: options.method ?? "GET",
      headers,
      credentials: "same-origin",
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "unreachable", "The server does not answer.");
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401 && !path.endsWith("/sign-in")) onSignedOut();
  throw problem;
}

/** As {@link ask}, and reads the answer as JSON. */
export async function askJson<T>(path: string, options: Options = {}): Promise<T> {
  const response = await ask(path, options);
  return (await response.json()) as T;
}

async function problemOf(response: Response): Promise<Problem> {
  const said: unknown = await response.json().catch(() => null);
  const of = (key: string): string | null => {
    const value = said === null ? undefined : (said as Record<string, unknown>)[key];
    return typeof value === "string" ? value : null;
  };
  return new Problem(
    response.status,
    of("code") ?? "unknown",
    of("detail") ?? `The server answered ${response.status}.`,
    of("hint"),
  );
}

/** What is to be told of a failure. */
export function told(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, "internal", error instanceof Error ? error.message : String(error));
}
