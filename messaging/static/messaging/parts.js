// The message as its channel shows it. Values are put in as text, or shut into a frame.
import { button, make } from "./dom.js";

let width = "desktop"; // stays as chosen while the text changes

function facts(...pairs) {
    const list = make("dl", { class: "editor-facts" });
    for (const [name, value, isOver] of pairs) list.append(make("dt", {}, name), make("dd", { class: isOver ? "editor-is-over" : false }, value));
    return list;
}

function whatsapp(parts) {
    const runs = parts.runs.map((run) => make("span", { class: run.styles.map((style) => `editor-${style}`).join(" ") || false }, run.text));
    const over = parts.length > parts.limit;
    return [
        make("div", { class: "editor-chat" }, make("div", { class: "editor-bubble editor-words" }, ...runs)),
        facts(["Length", `${parts.length.toLocaleString("en")} of ${parts.limit.toLocaleString("en")} characters`, over]),
    ];
}

const named = (found) => make("span", {}, make("b", {}, /\p{Z}|\p{C}/u.test(found.char) ? "(not to be seen)" : found.char), ` ${found.name}`);

function forcing(parts, replace) {
    if (!parts.forcing.length) return [];
    const can = parts.forcing.filter((found) => found.is_typed && found.plain !== null);
    const items = parts.forcing.map((found) => {
        const item = make("li", {}, named(found));
        const said = found.plain === "" ? "Take it out" : found.plain === "\n" ? "Write a line end" : `Write ${found.plain === " " ? "a blank" : found.plain}`;
        if (!found.is_typed) item.append("comes from the doctor's data");
        else if (found.plain === null) item.append("nothing plain says the same");
        else item.append(button(said, () => replace([found])));
        return item;
    });
    const title = make("h3", {}, `${parts.forcing.length === 1 ? "This character makes" : "These characters make"} it UCS-2: 70 characters an SMS and not 160`);
    const list = make("ul", { class: "editor-forcing" }, ...items);
    return can.length > 1 ? [title, list, button("Replace all", () => replace(can))] : [title, list];
}

function sms(parts, replace) {
    const over = parts.allowed > 0 && parts.segments > parts.allowed;
    const allowed = parts.allowed ? ` (${parts.allowed} allowed)` : "";
    return [
        make("div", { class: "editor-sms editor-words" }, parts.text),
        facts(
            ["SMS", `${parts.segments}${allowed}`, over],
            ["Characters", `${parts.units} of ${parts.room}`],
            ["Encoding", parts.encoding],
            ["Price", parts.price],
        ),
        ...forcing(parts, replace),
    ];
}

function email(parts) {
    // Without allow-scripts and allow-same-origin nothing in it runs, loads or leaves.
    const frame = make("iframe", { sandbox: true, title: "The e-mail as a mail program shows it" });
    frame.srcdoc = parts.html;
    const box = make("div", { class: "editor-frame", "data-width": width }, frame);
    const switches = ["desktop", "phone"].map((name) =>
        button(name === "desktop" ? "Desktop" : "Phone (360 px)", () => {
            width = name;
            box.dataset.width = name;
            for (const [place, each] of ["desktop", "phone"].entries()) switches[place].setAttribute("aria-pressed", String(each === name));
        }, { "aria-pressed": String(width === name) }),
    );
    return [
        facts(["Subject", parts.subject], ["Preview line", parts.preheader || "–"], ["Size", `${Math.ceil(parts.bytes / 1000)} kB of 102`, parts.bytes > 102000]),
        make("h3", {}, "As HTML"),
        make("div", { class: "editor-row", role: "group", "aria-label": "Width" }, ...switches),
        box,
        make("h3", {}, "As plain text"),
        make("pre", { class: "editor-plain editor-words", tabindex: "0" }, parts.text),
    ];
}

const SHOWN = { whatsapp, sms, email };

/** The elements of one channel's message; `replace(found)` writes plain characters into the text. */
export function parts(channel, found, replace) {
    if (!Object.keys(found).length) return [make("p", {}, "It is shown here once the errors are corrected.")];
    return SHOWN[channel](found, replace);
}
