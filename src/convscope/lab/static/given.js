/** What the network is given: the picture at its own size, and the steps that brought it into the data's manner. */

import { el } from "./dom.js";
import { paintPicture } from "./paint.js";
import { server } from "./server_words.js";

/**
 * @param {any} context
 * @param {() => void} changed the switch was turned
 */
export function given(context, changed) {
  const { t } = context;
  const canvas = el("canvas", { class: "fitted", role: "img", "aria-label": t("try.sees") });
  const size = el("span", { class: "quiet" });
  const box = el("input", { type: "checkbox", checked: true, id: "try-manner", on: { change: changed } });
  const choice = el("div", { class: "manner" }, el("label", { class: "switch", for: "try-manner" }, box, el("span", { text: t("try.manner") })),
    el("p", { class: "quiet", text: t("try.manner_why") }));
  const steps = el("ol", { class: "manner-steps" });
  const element = el("section", { class: "given", "aria-label": t("try.sees") },
    el("h3", { text: t("try.sees") }), el("div", { class: "fitted-box" }, canvas, size), choice, steps);
  let shown = [];

  return {
    element,
    manner: () => box.checked,
    /** Which model, and whether the picture is one that a manner can be given to. */
    of(model, outside) {
      choice.hidden = steps.hidden = !model.manner || !outside;
    },
    /** @param {any} look what /api/look answered */
    show({ input, steps: found }) {
      paintPicture(canvas, input, Math.max(1, Math.floor(168 / input.height)));
      size.textContent = `${input.height} × ${input.width}${input.channels > 1 ? ` × ${input.channels}` : ""}`;
      if (!found) return; // the pen moves: the steps come when it rests
      if (found.length !== shown.length) {
        shown = found.map(() => ({ canvas: el("canvas", { "aria-hidden": "true" }), text: el("span") }));
        steps.replaceChildren(...shown.map((each) => el("li", {}, el("span", { class: "manner-picture" }, each.canvas), each.text)));
      }
      found.forEach((step, at) => {
        paintPicture(shown[at].canvas, step.picture);
        shown[at].text.textContent = server(context.lang(), step.text);
      });
    },
  };
}
