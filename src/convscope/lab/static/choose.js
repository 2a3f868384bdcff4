/** Pictures that aren't drawn: the test set, page by page, and files that are opened, dropped or pasted. */

import { button, el } from "./dom.js";
import { paintPicture } from "./paint.js";

const COUNT = 30;

/**
 * The test pictures of a data set, as thumbnails; arrow keys choose among them.
 * @param {any} context
 * @param {(index: number) => void} choose
 */
export function tests(context, choose) {
  const { t, api } = context;
  const list = el("div", { class: "thumbs", role: "listbox", "aria-label": t("try.tests") });
  const told = el("span", { class: "quiet" });
  const earlier = button("‹", () => turn(-COUNT), { "aria-label": t("try.earlier") });
  const later = button("›", () => turn(COUNT), { "aria-label": t("try.later") });
  const fault = el("p", { class: "quiet", hidden: true });
  const element = el("section", { class: "tests", "aria-label": t("try.tests") },
    el("div", { class: "tests-head" }, el("h3", { text: t("try.tests") }), el("span", { class: "tests-page" }, told, earlier, later)),
    list, fault);
  let [data, of, from, count, chosen] = ["", "", 0, 0, null]; // of: the model whose own test pictures these are
  let classes = [];

  async function fill(focus) {
    const asked = `${data} ${of} ${from}`;
    try {
      const page = await api.get(`/api/test/${data}?of=${of}&from=${from}&count=${COUNT}`);
      if (asked !== `${data} ${of} ${from}`) return;
      count = page.count;
      list.replaceChildren(...page.pictures.map(thumb));
      told.textContent = t("try.pages", { from: from + 1, to: Math.min(from + COUNT, count), count });
      fault.hidden = true;
      mark();
      if (focus !== undefined) select([...list.children].at(focus));
    } catch (error) {
      list.replaceChildren();
      fault.hidden = false;
      fault.textContent = error.message;
    }
    earlier.disabled = from === 0;
    later.disabled = from + COUNT >= count;
  }

  function thumb({ index, label, picture }) {
    const canvas = el("canvas", { "aria-hidden": "true" });
    paintPicture(canvas, picture);
    const name = t("try.test_of", { index, label: classes[label] ?? label });
    const made = el("button", { type: "button", class: "thumb", role: "option", title: name, "aria-label": name, tabindex: -1,
      on: { click: () => select(made) } }, canvas, el("span", { text: classes[label] ?? String(label) }));
    made.dataset.index = index;
    return made;
  }

  function select(made) {
    if (!made) return;
    made.focus({ preventScroll: false });
    choose(Number(made.dataset.index));
  }

  function mark() {
    const all = [...list.children];
    const own = all.find((made) => Number(made.dataset.index) === chosen);
    for (const made of all) {
      made.setAttribute("aria-selected", String(made === own));
      made.tabIndex = made === (own || all[0]) ? 0 : -1;
    }
  }

  function turn(by, focus) {
    if (from + by < 0 || from + by >= count) return;
    from += by;
    fill(focus);
  }

  list.addEventListener("keydown", (event) => {
    const all = [...list.children];
    const at = all.indexOf(document.activeElement);
    if (at < 0) return;
    const wide = all.filter((made) => made.offsetTop === all[0].offsetTop).length;
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide }[event.key];
    if (by) {
      if (all[at + by]) select(all[at + by]);
      else if (at + by >= all.length) turn(COUNT, 0);
      else turn(-COUNT, -1);
    } else if (event.key === "PageDown") turn(COUNT, 0);
    else if (event.key === "PageUp") turn(-COUNT, 0);
    else return;
    event.preventDefault();
  });

  return {
    element,
    /** Shows the pictures of a data set, and which of them is looked at. */
    show(name, names, index, model) {
      element.hidden = !name;
      chosen = index;
      if (name && (name !== data || model !== of)) {
        [data, of, from, classes] = [name, model, 0, names];
        fill();
      } else mark();
    },
    /** The number of the first picture, which a page without a picture begins with; null where there is none. */
    async first(name, model) {
      try {
        return (await api.get(`/api/test/${name}?of=${model}&from=0&count=1`)).pictures[0]?.index ?? null;
      } catch {
        return null;
      }
    },
  };
}

/**
 * A button for a picture's file, and the whole view as a place to drop or paste one.
 * @param {HTMLElement} root
 * @param {(id: string) => void} bring
 * @param {(sentence: string) => void} complain
 */
export function files(root, context, bring, complain) {
  const { t, api } = context;
  const input = el("input", { type: "file", accept: "image/*", hidden: true });
  async function send(file) {
    if (!file) return;
    try {
      bring((await api.postRaw("/api/pictures", file)).id);
    } catch (error) {
      complain(error.message);
    }
  }
  input.addEventListener("change", () => {
    send(input.files[0]);
    input.value = "";
  });
  const dropped = (event) => {
    event.preventDefault();
    root.classList.remove("dropping");
    send(event.dataTransfer.files[0]);
  };
  const over = (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    root.classList.add("dropping");
  };
  const left = (event) => event.target === root && root.classList.remove("dropping");
  const pasted = (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    send(file);
  };
  root.addEventListener("drop", dropped);
  root.addEventListener("dragover", over);
  root.addEventListener("dragleave", left);
  document.addEventListener("paste", pasted);
  return {
    element: el("div", { class: "bring" }, button(t("try.file"), () => input.click()), input,
      el("span", { class: "quiet", text: t("try.bring") })),
    stop() {
      root.removeEventListener("drop", dropped);
      root.removeEventListener("dragover", over);
      root.removeEventListener("dragleave", left);
      document.removeEventListener("paste", pasted);
    },
  };
}
