// The variables that a text may use: found by words, put in at the cursor.
import { byId, make, moveByArrows } from "./dom.js";

const tag = (name, sign = "") => `{{${sign}${name}}}`;

/** What stands in the text for a variable: a name, or a list with a place for its entries. */
function written(variable) {
    if (variable.kind !== "list") return tag(variable.name);
    const entry = variable.items.map((item) => tag(item.name)).join(" ");
    return `${tag(variable.name, "#")}\n${entry}\n${tag(variable.name, "/")}`;
}

function entry(variable, text, insert) {
    const example = variable.kind === "list" ? `${variable.example} entries` : variable.example;
    const about = `Example: ${example} · ${variable.kind} · ${variable.source}`;
    const label = variable.kind === "list" ? `${tag(variable.name, "#")}…${tag(variable.name, "/")}` : tag(variable.name);
    const button = make(
        "button",
        { type: "button", class: "editor-variable" },
        make("code", {}, label),
        make("span", {}, variable.description),
        make("small", {}, about),
    );
    button.addEventListener("click", () => insert(text));
    return make("li", {}, button);
}

function entries(variable, insert) {
    const top = entry(variable, written(variable), insert);
    if (!variable.items.length) return top;
    const inner = variable.items.map((item) => entry(item, tag(item.name), insert));
    if (variable.has_length) {
        const count = { ...variable, kind: "number", description: "How many entries it has", items: [] };
        inner.unshift(entry(count, tag(variable.name), insert));
    }
    top.append(make("ul", {}, ...inner));
    return top;
}

const words = (variable) =>
    [variable.name, variable.description, variable.example, variable.source, ...variable.items.map(words)].join(" ").toLowerCase();

/** Show the variables of `segment()`; `insert(text)` puts one in. Returns what shows them anew. */
export function showCatalogue(variables, segment, insert) {
    const list = byId("editor-variables");
    const search = byId("editor-search");
    const show = () => {
        const wanted = search.value.toLowerCase().replace(/[{}#/]/g, "").split(/\s+/).filter(Boolean);
        const here = variables.filter((variable) => !segment() || variable.segments.includes(segment()));
        const found = here.filter((variable) => wanted.every((word) => words(variable).includes(word)));
        list.replaceChildren(...found.map((variable) => entries(variable, insert)));
        if (!found.length) list.append(make("li", { class: "editor-nothing" }, "No variable of this segment is called so."));
    };
    search.addEventListener("input", show);
    moveByArrows(list, search);
    show();
    return show;
}
