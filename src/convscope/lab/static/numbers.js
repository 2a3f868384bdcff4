/** Numbers and places as the page writes them: four digits that count, and a minus sign that is one. */

const signed = (text) => text.replace(/-/g, "−");

/** Four significant digits: 0.8116, −1.251, 2.1e−8. */
export function sig(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 10 ** Math.max(digits, 6)) {
    const [left, right] = value.toExponential(Math.min(digits, 4) - 1).split("e");
    return signed(`${Number(left)}e${Number(right)}`);
  }
  return signed(String(Number(value.toPrecision(digits))));
}

/** As much as a float32 has. */
export const long = (value) => sig(value, 9);

/** A number behind a sign: a negative one in parentheses. */
export const factor = (value) => (value < 0 ? `(${sig(value)})` : sig(value));

/** The server's formulas, with the signs that books print. */
export const formula = (text) => signed(text.replace(/\*/g, " × ").replace(/sqrt\(/g, "√("));

/** plus, minus or zero: the class that colours a number. */
export const sign = (value) => (value > 0 ? "plus" : value < 0 ? "minus" : "zero");

/** `map 3, row 4, column 5`, or `unit 7`. */
export function spot(t, place) {
  if (place.length === 3) return t("try.place", { map: place[0], row: place[1], column: place[2] });
  return place.length ? t("try.unit", { unit: place[0] }) : "";
}

/** A place out of the address: "3,4,5", and of a map alone "3". */
export function placed(text) {
  return /^\d{1,6}(,\d{1,6}){0,2}$/.test(text || "") ? text.split(",").map(Number) : [];
}

/** 0.9823 as 98.2 %. */
export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** What changes where a model's newest weights do. */
export const weights = (model) => `${model.id} ${model.state} ${model.moments.length}`;
