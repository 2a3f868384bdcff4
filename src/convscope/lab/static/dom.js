/** Elements made by calls: the page has no HTML in strings, so that nothing that a file or a class is called is ever markup. */

/**
 * An element. attributes: `class`, `text`, `on` (event to listener), or any attribute; null and false leave one out.
 * @param {string} name
 * @param {Record<string, any>} attributes
 * @param {...(Node|string|null|undefined|false)} children
 */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") made.textContent = value;
    else if (key === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A button. */
export function button(text, press, attributes = {}) {
  return el("button", { type: "button", text, ...attributes, on: { click: press } });
}

/** Asks one question at a time; of those that come meanwhile the newest alone is asked next. */
export function newest(ask, show, fail) {
  let waiting = null;
  let busy = false;
  async function go() {
    busy = true;
    while (waiting) {
      const { what } = waiting;
      waiting = null;
      try {
        const answer = await ask(what);
        show(answer, what, waiting !== null);
      } catch (error) {
        if (!waiting) fail(error, what);
      }
    }
    busy = false;
  }
  return (what) => {
    waiting = { what };
    if (!busy) go();
  };
}

/** How to scroll: at once for those who asked for less motion. */
export const gently = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");

/** Puts new elements in place of the old ones only where they differ, so that focus and open menus stay. */
export function renew(box, wanted) {
  const differs = box.children.length !== wanted.length || wanted.some((each, i) => each.outerHTML !== box.children[i].outerHTML);
  if (!differs) return;
  const focus = [...box.children].findIndex((each) => each.contains(document.activeElement));
  box.replaceChildren(...wanted);
  if (focus >= 0 && wanted[focus]) (wanted[focus].querySelector("select, button, a") || wanted[focus]).focus();
}
