// Small parts of the grid of steps: sequence.js puts them together.
import { make } from "../messaging/dom.js";

export const icon = (name) => make("span", { class: "material-symbols-outlined sequence-icon", "aria-hidden": "true" }, name);

export function press(words, symbol, focus, onClick, attributes = {}) {
    const element = make("button", { type: "button", class: "sequence-button", "aria-label": words, title: words, "data-focus": focus, ...attributes }, icon(symbol));
    element.addEventListener("click", onClick);
    return element;
}

export function wide(words, focus, onClick) {
    const element = make("button", { type: "button", class: "sequence-button sequence-wide", "data-focus": focus }, words);
    element.addEventListener("click", onClick);
    return element;
}

export const labelled = (words, field) => make("label", { class: "sequence-label" }, words, field);
