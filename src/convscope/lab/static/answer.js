/** What the network says: the class it names, and every class's probability as a bar. */

import { el } from "./dom.js";
import { percent } from "./numbers.js";

const MOST = 12; // more classes than this: the likeliest of them alone

/** @param {{t: Function}} context */
export function answer(context) {
  const { t } = context;
  const said = el("output", { class: "said" });
  const sure = el("span", { class: "sure quiet" });
  const truth = el("p", { class: "truth" });
  const note = el("p", { class: "quiet answer-note" });
  const bars = el("ol", { class: "bars" });
  const element = el("section", { class: "answer", "aria-label": t("try.answer") },
    el("h3", { text: t("try.answer") }), el("div", { class: "answer-head" }, said, sure), truth, bars, note);
  let names = "";
  let rows = [];

  function row() {
    const [name, fill, share] = [el("span", { class: "bar-name" }), el("i"), el("span", { class: "bar-share" })];
    return { name, fill, share, element: el("li", {}, name, el("span", { class: "bar-track", "aria-hidden": "true" }, fill), share) };
  }

  return {
    element,
    /** @param {any} look what /api/look answered */
    show(look) {
      const { probabilities, classes } = look;
      const order = probabilities.map((_, i) => i);
      const best = probabilities.indexOf(Math.max(...probabilities));
      if (classes.length > MOST) order.sort((a, b) => probabilities[b] - probabilities[a]).splice(MOST);
      if (names !== `${order.length}`) {
        names = `${order.length}`;
        rows = order.map(row);
        bars.replaceChildren(...rows.map((each) => each.element));
      }
      order.forEach((which, at) => {
        const each = rows[at];
        each.name.textContent = classes[which];
        each.share.textContent = percent(probabilities[which]);
        each.fill.style.setProperty("--share", probabilities[which].toFixed(4));
        each.element.classList.toggle("best", which === best);
        each.element.classList.toggle("true", Boolean(look.label) && classes[which] === look.label);
      });
      said.textContent = classes[best];
      said.classList.toggle("wordy", classes[best].length > 3);
      sure.textContent = percent(probabilities[best]);
      truth.hidden = !look.label;
      truth.textContent = look.label ? t(look.label === classes[best] ? "try.right" : "try.wrong", { label: look.label }) : "";
      truth.className = `truth ${look.label === classes[best] ? "is" : "isnt"}`;
      note.textContent = look.note || "";
    },
  };
}
