/** What the page asks of the lab's server. An answer that is a refusal becomes an Error with the server's sentence. */

const STRANGE = [401, 403]; // what one without the cookie is answered

/** The server did not answer at all: it was ended, or is starting anew. */
export class Gone extends Error {}

/** @param {string} path @param {RequestInit} options */
async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { ...options.headers, Accept: "application/json" } });
  } catch {
    throw new Gone("the lab's server doesn't answer");
  }
  let value = null;
  try {
    value = await answer.json();
  } catch {
    if (answer.ok) throw new Gone("the lab's server broke off");
  }
  if (!answer.ok) throw Object.assign(new Error(value?.error || `${answer.status} ${answer.statusText}`), { status: answer.status });
  return value;
}

/** @param {(error: Error|null) => void} heard told where the server isn't there, or is another that doesn't know this page;
 *  and null of every other answer */
export function api(heard) {
  async function told(path, options) {
    try {
      const value = await ask(path, options);
      heard(null);
      return value;
    } catch (error) {
      heard(error instanceof Gone || STRANGE.includes(error.status) ? error : null);
      throw error;
    }
  }
  return {
    get: (path) => told(path, {}),
    post: (path, body = {}) =>
      told(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    postRaw: (path, blob) =>
      told(path, { method: "POST", body: blob, headers: { "Content-Type": "application/octet-stream" } }),
  };
}
