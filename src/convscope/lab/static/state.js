/** What the page shows, as it stands after `#`: a link opens the same thing on the reader's own lab. */

/** @returns {Record<string, string>} */
export function read(hash = location.hash) {
  return Object.fromEntries(new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B")));
}

/** @param {Record<string, any>} state */
export function write(state) {
  const parts = Object.entries(state)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value).replaceAll("%3A", ":").replaceAll("%2C", ",")}`);
  return `#${parts.join("&")}`;
}

/** What /api/look is asked of a place of the address; null where there is no picture yet. */
export function asWhere(where) {
  const [kind, ...rest] = where.split(":");
  if (kind === "picture") return { picture: rest.join(":") };
  if (!kind || kind === "drawing" || !/^\d+$/.test(rest[0] || "")) return null;
  return { data: kind, index: Number(rest[0]) };
}

const BACK = ["view", "model", "lesson", "step"]; // a change of these is a step that the Back button takes back

/**
 * @param {(state: Record<string, string>) => void} changed
 */
export function states(changed) {
  let now = read();
  addEventListener("hashchange", () => {
    now = read();
    changed(now);
  });
  return {
    get: () => now,
    /** @param {Record<string, any>} part null takes a key away */
    go(part) {
      const next = read(write({ ...now, ...part }));
      const hash = write(next);
      if (hash === write(now)) return;
      const back = BACK.some((key) => (now[key] || "") !== (next[key] || ""));
      now = next;
      history[back ? "pushState" : "replaceState"](null, "", hash);
      changed(now);
    },
  };
}
